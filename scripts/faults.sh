#!/usr/bin/env bash
# The fault suite on the lab: see test/faults/README.md.
set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

only=
for ((nth = 1; nth <= $#; nth++)); do
  case ${!nth} in
    --only) next=$((nth + 1)); only=${!next:-} ;;
    --only=*) only=${!nth#--only=} ;;
  esac
done
case $only in '' | random | load | cases) ;; *) stop "no such part: $only; see --help" ;; esac

install_dependencies
generate_client
for argument in "$@"; do
  case $argument in -h | --help) exec node test/faults/main.ts --help ;; esac
done
bash lab/lab.sh build
broken=0
[ "$only" = cases ] || bash lab/lab.sh hold -- node test/faults/main.ts "$@" || broken=1
if [ -z "$only" ] || [ "$only" = cases ]; then
  step 'tests (tap build)' tap build
  mapfile -t files < <(find test/faults/cases -name '*.test.ts' | sort)
  bash lab/lab.sh hold -- tap run --reporter=terse --timeout=300 --jobs=3 "${files[@]}" || broken=1
fi
exit "$broken"
