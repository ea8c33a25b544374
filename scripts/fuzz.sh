#!/usr/bin/env bash
# Runs every fuzz target of the backend for a while each, the estimator on 10,000 simulated lines, and 100,000 random
# steps of guests and the host at the door: fuzz.sh [TIME].
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-1m}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

fuzz() {
  # Without C: the fuzzer's instrumentation would have backend/media/capture's C++ compiled once more, for minutes.
  CGO_ENABLED=0 go test "./$dir" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1s | tee "$log"
}

# Before Go 1.27 the fuzzer may take the end of its own time for a failure (go.dev/issue/75804): once more, then.
spurious() { grep -qx ' *context deadline exceeded' "$log" && ! grep -qi 'failing input\|panic' "$log"; }

count=0
while IFS=: read -r file target; do
  dir=$(dirname "$file")
  echo "== $dir $target ($time)"
  fuzz || { spurious && fuzz; } || exit 1
  count=$((count + 1))
done < <(grep -rnoE '^func Fuzz[A-Za-z0-9_]+' backend --include='*_test.go' | sed -E 's/:[0-9]+:func /:/' | sort)
[ "$count" -gt 0 ] || { echo "fuzz: no target found" >&2; exit 1; }
echo "fuzz: $count targets clean for $time each"

echo "== backend/media/rate TestSeeds (10,000 simulated lines)"
PORCH_RATE_SEEDS=10000 CGO_ENABLED=0 go test ./backend/media/rate -run '^TestSeeds$' -count=1 -timeout 10m -v | tail -n 20

echo "== backend/host TestTheDoor (100,000 random steps at the door)"
PORCH_DOOR_STEPS=100000 go test ./backend/host -run '^TestTheDoor$' -count=1 -timeout 10m -v | tail -n 3
