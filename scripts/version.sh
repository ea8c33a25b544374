#!/usr/bin/env bash
# Prints the version of what is built here, as SemVer: the number in wails.json if this commit has its tag (v1.2.3), else
# that number with the commit, such as 1.2.3-dev.g0a1b2c3d4e5f. A tag that names another number is an error.
#   scripts/version.sh           the version
#   scripts/version.sh number    the number in wails.json alone, which is all that Windows and macOS take
#   scripts/version.sh date      the commit's time in seconds since 1970, which packages take for the time of their files
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = date ]; then git log -1 --format=%ct 2>/dev/null || echo 0; exit; fi
number=$(sed -n 's/.*"productVersion": "\([0-9]*\.[0-9]*\.[0-9]*\)".*/\1/p' wails.json)
[ -n "$number" ] || { echo "version: wails.json has no productVersion of three numbers" >&2; exit 1; }
if [ "${1:-}" = number ]; then echo "$number"; exit; fi

commit=$(git rev-parse --short=12 HEAD 2>/dev/null) || { echo "$number-dev"; exit; }
tags=$(git tag --points-at HEAD --list 'v[0-9]*')
changed=
[ -z "$(git --no-optional-locks status --porcelain --untracked-files=no)" ] || changed=.changed
if [ -z "$tags" ] || [ -n "$changed" ]; then echo "$number-dev.g$commit$changed"; exit; fi
if ! grep -qxF "v$number" <<<"$tags"; then
  echo "version: this commit is tagged $tags, and wails.json says $number" >&2
  exit 1
fi
echo "$number"
