#!/usr/bin/env bash
# supervise.sh NAME PROGRAM ARGUMENT…: keeps PROGRAM running until told to end. A component that starts before the API
# server knows its rights exits, so one that ends is started again, later each time it ended soon.
set -u

supervise () {
  local child='' stopping='' delay=0.25 began name=$1; shift
  trap 'stopping=yes; [ -z "$child" ] || kill -TERM "$child" 2> /dev/null' TERM INT
  while [ -z "$stopping" ]; do
    began=$SECONDS
    # Dies with this script, so that there are never two of it.
    setpriv --pdeathsig KILL -- "$@" &
    child=$!
    # A trapped signal ends wait before the child has ended.
    while kill -0 "$child" 2> /dev/null; do wait "$child"; code=$?; done
    [ -z "$stopping" ] || break
    [ $((SECONDS - began)) -lt 30 ] || delay=0.25
    printf '%(%FT%TZ)T %s ended with status %d; starting it again in %s s\n' -1 "$name" "$code" "$delay"
    sleep "$delay" & wait $!
    delay=$(awk "BEGIN { delay = $delay * 2; print (delay > 10 ? 10 : delay) }")
  done
}

supervise "$@"
