#!/usr/bin/env bash
# test.sh [unit|integration|e2e]: without an argument everything, building what it needs first. Needs no terminal and no input.
set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

case ${1:-all} in
  all | unit | integration | e2e) what=${1:-all} ;;
  -h | --help) say 'usage: npm test | npm run test:unit (needs nothing) | npm run test:integration (Postgres, Redis, S3) | npm run test:e2e (lab)'; exit 0 ;;
  *) stop "no such tests: $1; see --help" ;;
esac

passed=0 failed=0 broken=0
totals=$(mktemp)
trap 'rm -f "$totals"' EXIT

# suite NAME TIMEOUT JOBS FILE…: one run of tap; its own totals are added up
suite () {
  local name=$1 timeout=$2 jobs=$3 line; shift 3
  say "== $name"
  local hold=()
  [ "$name" != end-to-end ] || hold=(bash lab/lab.sh hold --) # until it ends, nobody takes the lab down
  "${hold[@]}" tap run --reporter=terse --timeout="$timeout" --jobs="$jobs" "$@" </dev/null 2>&1 | tee "$totals" || broken=1
  line=$(grep -E '^# \{ total: ' "$totals" | tail -n 1 || true)
  [ -n "$line" ] || { say "error: $name ended without totals"; broken=1; failed=$((failed + 1)); return; }
  count "$(sed -nE 's/.*[{,] pass: ([0-9]+).*/\1/p' <<<"$line")" "$(sed -nE 's/.*[{,] fail: ([0-9]+).*/\1/p' <<<"$line")"
}

count () { passed=$((passed + ${1:-0})) failed=$((failed + ${2:-0})); }

# check NAME COMMAND…: one check that passes or fails as a whole
check () {
  if step "$@"; then count 1 0; else count 0 1; broken=1; fi
}

go_tests () {
  local module=$1 log; log=$(mktemp)
  (cd "$module" && test -z "$(gofmt -l . | tee /dev/stderr)" && go vet ./... && go test -count=1 -v ./...) >"$log" 2>&1 </dev/null || { broken=1; cat "$log" >&2; [ "$(grep -cE '^\s*--- FAIL' "$log")" -gt 0 ] || count 0 1; }
  count "$(grep -cE '^\s*--- PASS' "$log")" "$(grep -cE '^\s*--- FAIL' "$log")"
  say "$(printf '%-58s%4d passed' "go test $module" "$(grep -cE '^\s*--- PASS' "$log")")"
  rm -f "$log"
}

# A real pooler, for tests alone; its package starts a service of its own, which nobody asked for.
install_pooler () (
  # shellcheck source=lab/lib/packages.sh
  source lab/lib/packages.sh
  package_of=(pgbouncer:pgbouncer)
  install_packages
)

tests_in () { find "$@" -name '*.test.ts' 2>/dev/null | sort; }

install_dependencies
generate_client
step 'tests (tap build)' tap build

if [ "$what" = all ] || [ "$what" = unit ]; then
  check 'lint' eslint .
  check 'types' tsc --noEmit
  mapfile -t files < <(find test -name '*.test.ts' -not -path 'test/e2e/*' -not -path 'test/storage/*' -not -path 'test/queue/*' -not -path 'test/schedules/*' -not -path 'test/faults/cases/*' -not -name 'chart.test.ts' -not -name 'runner-versions.test.ts' | sort)
  suite unit 240 2 "${files[@]}"
fi

if [ "$what" != unit ]; then
  bash lab/lab.sh build
  install_pooler
fi

if [ "$what" = all ] || [ "$what" = integration ]; then
  go_tests toolbox/runner
  go_tests lab/sample-app
  # As the lab builds it, so that its libraries are compiled once.
  CGO_ENABLED=0 GOFLAGS=-trimpath go_tests lab/policy-enforcer
  mapfile -t files < <(tests_in test/storage test/queue test/schedules test/chart.test.ts test/kubernetes/runner-versions.test.ts)
  suite integration 300 3 "${files[@]}"
fi

if [ "$what" = all ] || [ "$what" = e2e ]; then
  # Most of them wait, for pods, for tokens to expire, for lost connections to be noticed, and may as well wait together. These work hard,
  # or look at how soon something ends.
  alone=(test/e2e/{big-capture,evidence,faults,kubernetes,lost-store,main-job,memory,outcomes}.test.ts)
  mapfile -t files < <(tests_in test/e2e | grep -vxF "$(printf '%s\n' "${alone[@]}")")
  suite end-to-end 900 4 "${files[@]}"
  suite end-to-end 900 1 "${alone[@]}"
fi

[ "$broken" = 0 ] || [ "$failed" -gt 0 ] || failed=1
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
