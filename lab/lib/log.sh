# shellcheck shell=bash
# Everything for people goes to stderr: stdout carries only what was asked for (a path, JSON).

say () { printf 'lab: %s\n' "$*" >&2; }

die () { printf 'lab: error: %s\n' "$*" >&2; exit 1; }

# step TEXT COMMAND…: runs COMMAND, keeps its output in a file, says how long it took; on failure shows the output's end.
step () {
  local text=$1 from=$EPOCHREALTIME output code=0; shift
  output=$(mktemp)
  printf 'lab: %s ...\n' "$text" >&2
  # Not "if ! command": that would switch off set -e inside of it.
  set +e
  (set -e; "$@") > "$output" 2>&1
  code=$?
  set -e
  if [ "$code" -ne 0 ]; then
    tail -n 40 "$output" >&2
    rm -f "$output"
    die "$text: failed with status $code"
  fi
  rm -f "$output"
  printf 'lab: %s: %s\n' "$text" "$(seconds_since "$from")" >&2
}

# seconds_since TIME: TIME is an earlier EPOCHREALTIME.
seconds_since () {
  local microseconds=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))
  printf '%d.%01d s' $((microseconds / 1000000)) $((microseconds / 100000 % 10))
}

# wait_until SECONDS COMMAND…: tries every 0.1 s; fails when the time is over.
wait_until () {
  local end=$((SECONDS + $1)); shift
  until "$@" > /dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}
