# shellcheck shell=bash
# Three locks. The cache's: one build at a time. The mutex: one up or down at a time. The use lock: shared by all who
# use the lab, so that nobody takes it from under them. The kernel drops a lock when its last holder has ended.

lock_cache () {
  mkdir -p "$cache"
  exec 7> "$cache/lock"
  flock --nonblock 7 && return
  say 'another build is running; waiting for it'
  flock 7
}

unlock_cache () { exec 7>&-; }

lock_mutex () {
  exec 8> $mutex_file
  flock --nonblock 8 && return
  say 'another lab.sh is changing the lab; waiting for it'
  flock 8
}

unlock_mutex () { exec 8>&-; }

in_use () { ! flock --nonblock --exclusive $use_file true; }

# Prints "pid command" of each process that keeps the use lock open.
users () {
  local pid
  # Processes come and go while find looks: what it says of that is no error.
  { find /proc/[0-9]*/fd -lname $use_file 2> /dev/null || true; } | cut -d / -f 3 | sort -un | while read -r pid; do
    [ "$pid" = $$ ] || printf '%s %s\n' "$pid" "$({ tr '\0' ' ' < "/proc/$pid/cmdline" || true; } 2> /dev/null | cut -c 1-120)"
  done
}

# hold_lab -- COMMAND…: the lock is inherited by COMMAND and what it starts, and taken before the mutex is given back.
hold_lab () {
  [ "${1:-}" != -- ] || shift
  [ $# -gt 0 ] || die 'usage: lab.sh hold -- COMMAND [ARGUMENT…]'
  lab_up
  exec 9> $use_file
  flock --shared 9
  unlock_mutex
  exec "$@"
}
