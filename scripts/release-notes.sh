#!/usr/bin/env bash
# Prints the section of CHANGELOG.md for a version, without its heading: release-notes.sh 1.2.3. Fails if it has none.
set -euo pipefail
cd "$(dirname "$0")/.."
notes=$(awk -v want="$1" '/^## /{ on = ($2 == want || $2 == "[" want "]"); next } on' CHANGELOG.md)
[ -n "$notes" ] || { echo "release-notes: CHANGELOG.md has no section \"## $1\"" >&2; exit 1; }
printf '%s\n' "$notes" | sed '/./,$!d'
