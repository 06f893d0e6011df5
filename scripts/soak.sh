#!/usr/bin/env bash
# Mixed load on the lab, for long: does anything grow?
set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

usage () {
  cat <<'TEXT'
Usage: npm run soak -- [--minutes N]

Jobs of all kinds for N minutes (10) on the real service, an API and two workers, with Postgres, Redis, S3 and the lab. Measures memory,
handles, connections, partitions and what nobody owns, prints them as a table, and ends with 1 where something grows: where the median of the
last quarter is above that of the second one by more than its tolerance.

  -h, --help    this text
TEXT
}

for argument in "$@"; do
  case $argument in -h | --help) usage; exit 0 ;; esac
done
install_dependencies
generate_client
bash lab/lab.sh build
exec bash lab/lab.sh hold -- node test/soak/main.ts "$@"
