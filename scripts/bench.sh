#!/usr/bin/env bash
# Benchmarks beside kubectl on the lab, alternating in one run.
set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

usage () {
  cat <<'TEXT'
Usage: npm run bench -- [options] [single] [many] [catalogue] [stream] [lab]

Without a name all but lab.

  single        the first diagnostic in a fresh pod against kubectl debug; the next one against kubectl exec
  many          50 jobs on one pod, and 50 that wait 1 s, against kubectl exec at 1, 4, 8 and 50 in parallel
  catalogue     the first example of each diagnostic, against the time that it says it usually takes
  stream        1 GiB through a capture into the file store and into S3, against kubectl exec … > file
  lab           takes the lab down and up again, if nobody uses it, and says how long each took

  --rounds N    rounds of each (default 5)
  -h, --help    this text
TEXT
}

names=() options=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --rounds) [ $# -gt 1 ] || stop '--rounds takes a number'; options+=(--rounds "$2"); shift ;;
    single | many | catalogue | stream | lab) names+=("$1") ;;
    *) usage >&2; stop "no such benchmark: $1" ;;
  esac
  shift
done
[ ${#names[@]} -gt 0 ] || names=(single many catalogue stream)

install_dependencies
generate_client
bash lab/lab.sh build
others=()
for name in "${names[@]}"; do
  if [ "$name" = lab ]; then
    bash lab/lab.sh down
    bash lab/lab.sh up
  else
    others+=("$name")
  fi
done
[ ${#others[@]} -eq 0 ] || exec bash lab/lab.sh hold -- node bench/main.ts "${options[@]}" "${others[@]}"
