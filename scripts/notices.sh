#!/usr/bin/env bash
# Prints the licences of what others wrote and a program contains: notices.sh OS PACKAGE [TAGS]. TAGS are the app's, which
# has C in it on Linux and macOS.
set -euo pipefail
cd "$(dirname "$0")/.."
os=$1 package=$2 tags=${3:-}

echo "Porch contains these works of others. Their licences follow."
section() { printf '\n%s\n%s\n\n' "================================================================" "$1"; }
licences() { # folder
  local found=
  for f in "$1"/LICEN[CS]E* "$1"/COPYING* "$1"/NOTICE* "$1"/PATENTS*; do
    [ -f "$f" ] && { cat "$f"; echo; found=yes; }
  done
  [ -n "$found" ] || { echo "notices: no licence in $1" >&2; return 1; }
}

section "Go's standard library"
licences "$(go env GOROOT)"
cgo=0
if [ -n "$tags" ] && [ "$os" != windows ]; then cgo=1; fi
GOOS=$os CGO_ENABLED=$cgo go list -deps -tags "$tags" -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' "$package" |
  LC_ALL=C sort -u | while read -r path version folder; do
    section "$path $version"
    licences "$folder"
  done
for name in clsx hpke long svelte; do
  section "$name $(node -p "require('./frontend/node_modules/$name/package.json').version")"
  for f in frontend/node_modules/$name/[Ll][Ii][Cc][Ee][Nn][Ss][Ee]*; do cat "$f"; done
done
# These say in each file, and in package.json, that they are Google's, under the licence that Porch has as well.
for name in @mediapipe/face_detection @mediapipe/selfie_segmentation @tensorflow/tfjs-backend-cpu @tensorflow/tfjs-backend-wasm @tensorflow/tfjs-core; do
  [ "$(node -p "require('./frontend/node_modules/$name/package.json').license")" = Apache-2.0 ] || { echo "notices: another licence of $name" >&2; exit 1; }
  section "$name $(node -p "require('./frontend/node_modules/$name/package.json').version")"
  echo "Copyright Google LLC. Licensed under the Apache License, Version 2.0, as is what follows."
done
cat LICENSE
section "confusables.txt of Unicode 13.0.0, shortened (backend/signalling)"
cat backend/signalling/confusables.LICENSE
if [ "$cgo" = 1 ] && [ "$os" = linux ]; then
  for library in libvpx libopus; do
    section "$library"
    cat "/usr/share/doc/$library-dev/copyright"
  done
fi
