#!/usr/bin/env bash
# What can be known of Windows on Linux: runs the backend's tests for Windows under Wine, porch-headless.exe with a browser
# as its guest, and the installer of `make dist`. scripts/wine/cannot.txt lists what does not run there, and why.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }
work=$(mktemp -d)
trap 'WINEPREFIX=$work/prefix wineserver -k 2>/dev/null || true; rm -rf "$work"' EXIT
export PATH=$PATH:/usr/lib/wine # wineserver, on Debian
export WINEPREFIX=$work/prefix WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml,winemenubuilder.exe="
unset DISPLAY WAYLAND_DISPLAY
step "Wine: $(wine --version)"
scripts/wine/prefix.sh "$WINEPREFIX"
overlay=$(scripts/wine/overlay.sh "$work/overlay")
windows() { GOOS=windows GOARCH=amd64 CGO_ENABLED=0 "$@"; }

step "programs"
version="-X github.com/porch-call/porch/backend/version.number=$(scripts/version.sh)"
windows go build -trimpath -ldflags "$version" -o "$work/programs/porch-headless.exe" ./backend/cmd/porch-headless
windows go build -trimpath -overlay "$overlay" -ldflags "$version" -o "$work/programs/porch-headless-mended.exe" ./backend/cmd/porch-headless
wine "$work/programs/porch-headless.exe" -version

step "the backend's tests"
cannot=scripts/wine/cannot.txt
# Not in a file of its own on Windows, where Go has it beside its compiler.
ZONEINFO=$(winepath -w "$(go env GOROOT)/lib/time/zoneinfo.zip" 2>/dev/null) && export ZONEINFO
tests() { windows go test -overlay "$overlay" -exec "$PWD/scripts/wine/run.sh" -short -count 1 -timeout 5m "$@"; }
whole=() some=() none=()
for package in $(windows go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./backend/...); do
  short=${package#github.com/porch-call/porch/}
  row=$(awk -v p="$short" '!/^#/ && $1 == p { print $2 }' "$cannot" | paste -sd'|')
  case "$row" in
    "") whole+=("$package") ;;
    *'*'*) none+=("$short") ;;
    *) some+=("$package $row") ;;
  esac
done
failed=
tests -p 2 "${whole[@]}" >"$work/tests.log" 2>&1 || failed=yes
for line in "${some[@]}"; do tests -skip "^(${line#* })\$" "${line%% *}" >>"$work/tests.log" 2>&1 || failed=yes; done
if [ -n "$failed" ]; then grep -vE '^(ok|\?)' "$work/tests.log" | tail -n 150 >&2; exit 1; fi
echo "$(grep -c '^ok' "$work/tests.log") packages pass, ${#some[@]} of them without the tests in $cannot; not run: ${none[*]}"

step "porch-headless.exe and a browser"
(cd frontend && PORCH_WINE=$work/programs npx --no-install vitest run -c vitest.lab.config.ts e2e/wine.lab.ts)

setup=$(ls build/dist/porch-*-windows-setup.exe 2>/dev/null || true)
[ -n "$setup" ] || { echo "test-windows: no installer in build/dist: make dist" >&2; exit 1; }
step "installer: $(basename "$setup")"
scripts/wine/installer.sh "$setup"
echo "test-windows: yes"
