# shellcheck shell=bash
# buildah with a storage of its own: the base images made here must not take the place of a user's real ones.

buildah_storage=$cache/buildah

in_buildah () {
  buildah --root "$buildah_storage" --runroot /run/ephemera-lab-buildah "$@"
}

# build_image NAME DOCKERFILE CONTEXT: what reaches the inside of the build comes from this machine and stays out of
# the image: its certificate authorities (a private one may stand before the registries), its npm registry, its proxies.
build_image () {
  local proxy
  write_npm_settings
  proxy=$(apt_proxy)
  http_proxy=${http_proxy:-$proxy} in_buildah bud --isolation chroot --layers --format oci \
    --volume "$cache/build-settings:/run/build-settings:ro" --tag "$1" --file "$2" "$3"
}

write_npm_settings () {
  local authorities=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
  mkdir -p "$cache/build-settings"
  install -m 644 "$authorities" "$cache/build-settings/ca.crt"
  printf 'cafile=/run/build-settings/ca.crt\nregistry=%s\n' "$(npm config get registry 2> /dev/null)" \
    > "$cache/build-settings/npmrc"
}

apt_proxy () {
  local proxy=
  eval "$(apt-config shell proxy Acquire::http::Proxy)"
  echo "$proxy"
}
