#!/usr/bin/env bash
# Makes frontend/wailsjs, the window's TypeScript bindings, from app.go.
# With --check: says whether the committed ones are current, and changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

CGO_ENABLED=0 go build -tags bindings -o "$work/generate" .
cp wails.json "$work/"
(cd "$work" && ./generate >log 2>&1) || { cat "$work/log" >&2; exit 1; }
find "$work/frontend/wailsjs" -type f -exec chmod 644 {} +

if [ "${1:-}" = "--check" ]; then
  diff -ru frontend/wailsjs "$work/frontend/wailsjs" || { echo "frontend/wailsjs is not current: run scripts/bindings.sh" >&2; exit 1; }
  exit 0
fi
rm -rf frontend/wailsjs
cp -r "$work/frontend/wailsjs" frontend/wailsjs
