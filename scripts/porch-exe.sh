#!/usr/bin/env bash
# Builds the app for Windows, without C, with icon, manifest and version: porch-exe.sh FILE.exe [FLAG OF GO BUILD]...
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(realpath -m "$1")
shift
# The object with icon, manifest and version is there only while it is linked: the wails command would add its own to it.
object=$PWD/porch_windows_amd64.syso
trap 'rm -f "$object"' EXIT
go run -C scripts/winres . "$PWD" write "$object"
CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go build -tags desktop,production "$@" -o "$out" .
go run -C scripts/winres . "$PWD" check "$out"
