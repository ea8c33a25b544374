#!/usr/bin/env bash
# Builds the programs that are given to people, into the folder FOLDER: porch and porch-relay for Linux, porch.exe for
# Windows. The same commit gives the same bytes in any folder, with the same Go, C compiler, libvpx and libopus
# (scripts/reproducible.sh looks): no path of this machine and no time is in them. frontend/dist must have been built.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(realpath -m "$1")
mkdir -p "$folder"

# The linker's build id is left out: it would hash the path of static below.
link="-s -w -buildid= $(scripts/version-flags.sh)"
reproducible=(-trimpath -buildvcs=false)

# Debian 12 and 13 and Ubuntu have three versions of libvpx under three names, so it is linked in, and libopus with it.
# A linker that finds only lib*.a in the first folder that it looks into takes that.
static=$(mktemp -d)
trap 'rm -rf "$static"' EXIT
for library in vpx opus; do
  archive=$(${CC:-cc} -print-file-name="lib$library.a") # the name alone if there is none
  [ -e "$archive" ] || { echo "dist: lib$library.a is missing: make setup" >&2; exit 1; }
  ln -s "$archive" "$static/"
done
# As an executable of any address: C compilers link as one by default, which without this leaves relocations in the text.
go build "${reproducible[@]}" -buildmode=pie -tags desktop,production,webkit2_41 -ldflags "$link -extldflags=-L$static" -o "$folder/porch" .

scripts/porch-exe.sh "$folder/porch.exe" "${reproducible[@]}" -ldflags "$link -H windowsgui"

for arch in amd64 arm64; do
  CGO_ENABLED=0 GOOS=linux GOARCH=$arch go build "${reproducible[@]}" -ldflags "$link" -o "$folder/porch-relay-$arch" ./backend/cmd/porch-relay
done
