# shellcheck shell=bash
# The programs that no package registry has as binaries, built from Go modules into the cache, each kept under a hash of
# what went into it.

helm_version=v3.19.5
versitygw_version=v1.8.0
link_flags='-s -w'

# key_of TEXT…: reads stdin too.
key_of () { { printf '%s\n' "$@"; cat; } | sha256sum | cut -c 1-16; }

kubernetes_flags () {
  local version
  version=$(awk '$1 == "require" && $2 == "k8s.io/kubernetes" { print $3 }' "$lab_dir/kubernetes/go.mod")
  local component=k8s.io/component-base/version
  echo "$link_flags -X $component.gitVersion=$version -X $component.gitMajor=1 -X $component.gitMinor=${version:3:2}" \
    "-X $component.gitTreeState=clean -X $component.buildDate=1970-01-01T00:00:00Z" \
    "-X k8s.io/client-go/pkg/version.gitVersion=$version"
}

kubernetes_key=$(cat "$lab_dir"/kubernetes/go.{mod,sum} | key_of "$(kubernetes_flags)")
coredns_key=$(cat "$lab_dir"/coredns/{go.mod,go.sum,main.go} | key_of "$link_flags")
policy_enforcer_key=$(find "$lab_dir/policy-enforcer" -type f ! -name '*_test.go' -print0 | LC_ALL=C sort -z | xargs -0 cat | key_of "$link_flags")
helm_key=$(key_of helm $helm_version "$link_flags" < /dev/null)
versitygw_key=$(key_of versitygw $versitygw_version "$link_flags" < /dev/null)
program_groups=("kubernetes-$kubernetes_key" "coredns-$coredns_key" "policy-enforcer-$policy_enforcer_key" "helm-$helm_key"
  "versitygw-$versitygw_key")
bin_dir=$cache/bin/$(key_of "${program_groups[@]}" < /dev/null)

build_programs () {
  [ ! -e "$bin_dir" ] || return 0
  local group
  build_group kubernetes "$kubernetes_key" compile_kubernetes
  build_group coredns "$coredns_key" compile_folder coredns
  build_group policy-enforcer "$policy_enforcer_key" compile_folder policy-enforcer
  build_group helm "$helm_key" compile_module "helm.sh/helm/v3/cmd/helm@$helm_version"
  build_group versitygw "$versitygw_key" compile_module "github.com/versity/versitygw/cmd/versitygw@$versitygw_version"
  rm -rf "$bin_dir.new"
  mkdir -p "$bin_dir.new"
  for group in "${program_groups[@]}"; do
    ln -s "$cache/programs/$group"/* "$bin_dir.new/"
  done
  mv -T "$bin_dir.new" "$bin_dir"
}

# build_group NAME KEY COMMAND…: COMMAND compiles into the folder $out, which gets its name only when it is whole.
build_group () {
  local name=$1 key=$2 out=$cache/programs/$1-$2.new; shift 2
  [ ! -e "$cache/programs/$name-$key" ] || return 0
  rm -rf "$out"
  mkdir -p "$out"
  step "building $name" "$@"
  mv -T "$out" "$cache/programs/$name-$key"
}

compile_kubernetes () {
  cd "$lab_dir/kubernetes"
  local programs
  mapfile -t programs < <(sed -nE 's/^\s*_ "(.*)"$/\1/p' tools.go)
  CGO_ENABLED=0 nice go build -trimpath -buildvcs=false -ldflags "$(kubernetes_flags)" -o "$out/" "${programs[@]}"
}

compile_folder () {
  cd "$lab_dir/$1"
  CGO_ENABLED=0 nice go build -trimpath -buildvcs=false -ldflags "$link_flags" -o "$out/" .
}

# A module may ask for a newer Go than the machine's: Go then fetches that by itself.
compile_module () {
  GOTOOLCHAIN=auto GOBIN=$out CGO_ENABLED=0 nice go install -trimpath -buildvcs=false -ldflags "$link_flags" "$1"
}
