#!/usr/bin/env bash
# Measures Porch against the budgets of its design, on loopback. Prints each
# figure beside its budget, and fails when one with a limit is over it.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
mkdir -p build/bench
rm -f build/bench/latency.txt

step() { printf '\n== %s\n' "$*"; }
field() { node -e 'const v = JSON.parse(require("fs").readFileSync(0, "utf8"))[process.argv[1]]; console.log(typeof v === "number" ? Math.round(v * 10) / 10 : v)' "$1"; }

step "guest page"
node frontend/scripts/weigh.mjs frontend/dist/guest

step "forwarding: 8 headless guests, picture and tone each, three runs"
PORCH_DATA_DIR="$work/data" build/bin/porch-headless -admit=all -links 3 -listen 127.0.0.1:0 >"$work/headless.out" 2>"$work/headless.err" &
headless=$!
pids+=("$headless")
for _ in $(seq 100); do [ "$(grep -c '"event":"link"' "$work/headless.out" || true)" -ge 3 ] && break; sleep 0.1; done
run=0
while read -r link; do
  run=$((run + 1))
  build/bin/porch-load -link "$link" -guests 8 -for 10s -pid "$headless" >"$work/load.$run"
  echo "run $run: $(field cpuPerThousandMs <"$work/load.$run") ms of CPU per 1,000 forwarded packets," \
    "$(field forwarded <"$work/load.$run") packets, $(field missing <"$work/load.$run") missing;" \
    "memory $(field memoryBeforeMB <"$work/load.$run") MB before, $(field memoryInCallMB <"$work/load.$run") MB in the call"
done < <(grep '"event":"link"' "$work/headless.out" | node -e 'for (const l of require("fs").readFileSync(0, "utf8").trim().split("\n")) console.log(JSON.parse(l).link)')
kill "$headless"
wait "$headless" || true

step "forwarding: ratio to a floor that decrypts once, encrypts and sends; admission to first keyframe packet"
go test ./backend/call -run '^$' -bench . -benchtime "${BENCHTIME:-2s}" -count 1

step "browsers: link opened, bell, first frame (Chromium, n = 20)"
(cd frontend && npx --no-install vitest run -c vitest.bench.config.ts)
cat build/bench/latency.txt

step "the app's memory, idle and in a call of 8; start of the window"
cat build/bench/app.txt

step "a minute of 5,000 knocks and 1,000 silent sockets at one link"
PORCH_FLOOD_SECONDS=60 go test ./backend -run '^TestAFloodOfKnocks$' -count=1 -v | grep -v '^==='
