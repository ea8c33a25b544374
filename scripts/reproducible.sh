#!/usr/bin/env bash
# Builds the programs once more from a clone of this commit, in another folder, with an empty build cache, and compares
# them with those in build/dist/programs, byte for byte. Run it after `make dist`. The C++ of echo cancellation is
# compiled anew, which takes some minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

first=$PWD/build/dist/programs
[ -e "$first/porch" ] || { echo "reproducible: no build/dist/programs: make dist" >&2; exit 1; }
[ -z "$(git status --porcelain --untracked-files=no)" ] || { echo "reproducible: commit first; the clone has what is committed" >&2; exit 1; }
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
clone=$work/elsewhere/with/a/longer/path/porch
git clone -q --no-hardlinks . "$clone"
git -C "$clone" fetch -q --tags "$PWD"
# The packages of npm as they are here; the pages are built anew.
cp -a "$(realpath frontend/node_modules)" "$clone/frontend/node_modules"
make --no-print-directory -C "$clone" frontend/dist/.built
GOCACHE=$work/cache "$clone/scripts/dist-programs.sh" "$work/second"

cd "$first"
bad=
for program in *; do
  if cmp "$program" "$work/second/$program"; then
    echo "the same: $program, $(sha256sum "$program" | cut -c1-16)…"
  else
    bad=yes
  fi
done
[ -z "$bad" ] || { echo "reproducible: no" >&2; exit 1; }
echo "reproducible: yes"
