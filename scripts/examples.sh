#!/usr/bin/env bash
# What the first example of each diagnostic answers on the lab, for docs/reference/diagnostics.md.
set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

case ${1:-} in
  -h | --help)
    say 'Usage: npm run examples [-- NAME…]'
    say 'Runs the first example of each diagnostic (or of those named) on the lab, keeps the answers in docs/reference/examples, and writes the contract.'
    exit 0 ;;
esac
install_dependencies
generate_client
bash lab/lab.sh build
bash lab/lab.sh hold -- node scripts/examples.ts "$@"
node src/contract.ts
