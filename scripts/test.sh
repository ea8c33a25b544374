#!/usr/bin/env bash
# All tests, after `make setup` and the builds: what `make test` runs.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step "Go, with the race detector"
go test -race -timeout 10m ./backend/...

step "Go, echo cancellation (its C++ is left out of race builds)"
go test -timeout 5m ./backend/media/capture/...

step "Go, the window's program"
go test -timeout 5m -tags desktop,production,webkit2_41 . ./desktop ./frontend/messages

step "Go, what is cut short under the race detector"
go test -timeout 5m -run TestUnknownIDs ./backend/relay
go test -timeout 5m -run TestAFloodOfKnocks ./backend
go test -timeout 5m -run TestSeeds ./backend/media/rate

# .ci/run sets PORCH_CHECKED after `make check`, which does this too.
if [ -z "${PORCH_CHECKED:-}" ]; then
  step "front end"
  (cd frontend && npm run --silent check && npm test --silent)
fi

# Browsers wait more than they work. What needs no app, and the compiler, work beside them, out of their way.
pages=(e2e/languages.e2e.ts e2e/site.e2e.ts)
beside=$(mktemp)
(
  make --no-print-directory cross
  cd frontend && npx --no-install vitest run -c vitest.e2e.config.ts "${pages[@]}"
) >"$beside" 2>&1 &
working=$!
renice -n 10 "$working" >/dev/null
trap 'kill "$working" 2>/dev/null || true; rm -f "$beside"' EXIT

step "browsers and the window, on the real app"
(cd frontend && npx --no-install vitest run -c vitest.e2e.config.ts "${pages[@]/#/--exclude=}")

step "other systems; pages without an app"
wait "$working" || { cat "$beside"; exit 1; }
cat "$beside"

echo
echo "test: all passed"
