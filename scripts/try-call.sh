#!/usr/bin/env bash
# Starts porch-headless and lets headless guests in, who hear and see each other for a few seconds: on Linux, macOS and
# Windows (in Git's bash). try-call.sh FOLDER, where porch-headless and porch-load are. Prints what was forwarded; fails
# if a guest did not get in, or nothing was.
set -euo pipefail
folder=$1
work=$(mktemp -d)
headless=
trap '[ -z "$headless" ] || kill "$headless" 2>/dev/null || true; wait 2>/dev/null || true; cat "$work/said" >&2 || true; rm -rf "$work"' EXIT

program() { if [ -e "$folder/$1.exe" ]; then echo "$folder/$1.exe"; else echo "$folder/$1"; fi; }

"$(program porch-headless)" -version
PORCH_DATA_DIR=$work/data "$(program porch-headless)" -admit=all -listen 127.0.0.1:0 >"$work/out" 2>"$work/said" &
headless=$!
for _ in $(seq 300); do grep -q '"event":"link"' "$work/out" && break; sleep 0.1; done
link=$(sed -n 's/.*"event":"link".*"link":"\([^"]*\)".*/\1/p' "$work/out" | head -n 1)
[ -n "$link" ] || { echo "try-call: no link after 30 s" >&2; exit 1; }

"$(program porch-load)" -link "$link" -guests 2 -for 5s | tee "$work/load"
grep -q '"event":"admitted"' "$work/out" || { echo "try-call: nobody was let in" >&2; exit 1; }
forwarded=$(sed -n 's/.*"forwarded":\([0-9]*\).*/\1/p' "$work/load")
[ "${forwarded:-0}" -gt 100 ] || { echo "try-call: ${forwarded:-0} packets were forwarded" >&2; exit 1; }
echo "try-call: two guests were let in, and $forwarded packets came through"
