# shellcheck shell=bash
# Images of the repository's own Dockerfiles. A hash of a build's inputs (its key) decides whether it is made again; the
# result is kept as an OCI archive beside its manifest digest, so a new lab only imports it.

image_names=(toolbox toolbox-test sample-app pause)

# image_inputs NAME: sets dockerfile, context (folders of the repository), base (an image of ours it starts from) and
# inputs (what its key is made of).
image_inputs () {
  base=
  case $1 in
    toolbox) context=toolbox dockerfile=toolbox/Dockerfile inputs=(toolbox) ;;
    toolbox-test) context=toolbox dockerfile=toolbox/test.Dockerfile inputs=(toolbox) base=toolbox ;;
    sample-app) context=lab/sample-app dockerfile=lab/sample-app/Dockerfile inputs=(lab/sample-app) ;;
    pause) context=lab/pause dockerfile=lab/pause/Dockerfile inputs=(lab/pause) ;;
    service)
      context=. dockerfile=Dockerfile
      inputs=(Dockerfile .dockerignore package.json package-lock.json prisma prisma.config.ts src LICENSE)
      ;;
    *) die "unknown image '$1'; known: ${image_names[*]} service" ;;
  esac
  [ -e "$repository/$dockerfile" ] || die "the image '$1' has no $dockerfile"
}

# image_key NAME: tests and texts are no part of an image.
image_key () (
  cd "$repository"
  image_inputs "$1"
  find "${inputs[@]}" -type f ! -name '*_test.go' ! -name '*.md' ! -path '*/node_modules/*' ! -path '*/generated/*' \
    2> /dev/null | LC_ALL=C sort | xargs -d '\n' sha256sum | key_of "$1" "$base_key"
)

# ensure_image NAME: builds what is missing; sets archive, reference.
ensure_image () {
  archive=$cache/images/$1-$(image_key "$1")
  [ -e "$archive" ] || build_archive "$1"
  reference=docker.io/ephemera/$1@$(< "$archive/digest")
}

build_archive () {
  local name=$1 new=$archive.new
  image_inputs "$name"
  if [ -n "$base" ]; then
    ensure_image "$base"
    in_buildah pull --quiet "oci-archive:$archive/image.tar" > /dev/null
    archive=${new%.new}
    image_inputs "$name"
  fi
  rm -rf "$new"
  mkdir -p "$new"
  step "building the image $name" write_archive "docker.io/ephemera/$name:latest" "$new"
  mv -T "$new" "$archive"
}

write_archive () {
  build_image "$1" "$repository/$dockerfile" "$repository/$context"
  in_buildah push --quiet --disable-compression --digestfile "$2/digest" "$1" "oci-archive:$2/image.tar:$1"
}

# import_image: puts the image of ensure_image into the lab's containerd under its digest, which is how pods name it.
import_image () {
  local tag=${reference%%@*}:latest
  ! in_containerd images ls -q "name==$reference" | grep -q . || return 0
  in_containerd images import "$archive/image.tar" > /dev/null
  in_containerd images tag --force "$tag" "$reference" > /dev/null
}

in_containerd () { ctr --address "$socket" --namespace k8s.io "$@"; }

# print_image NAME
print_image () {
  [ $# -eq 1 ] || die 'usage: lab.sh image NAME'
  prepare_images
  ensure_and_import "$1"
  echo "$reference"
}

print_images () {
  local name pairs=()
  prepare_images
  for name in "${image_names[@]}"; do
    ensure_and_import "$name"
    pairs+=("$name" "$reference")
  done
  jq -n '[$ARGS.positional | _nwise(2) | {(.[0]): .[1]}] | add' --args "${pairs[@]}"
}

prepare_images () {
  check_givens
  install_packages
  lock_cache
  build_base_images
}

ensure_and_import () {
  ensure_image "$1"
  ! is_running || import_image
}
