#!/usr/bin/env bash
# Makes a Wine prefix in which Go programs run, in the folder PREFIX, unless it is there: prefix.sh PREFIX.
set -euo pipefail
cd "$(dirname "$0")"
export PATH=$PATH:/usr/lib/wine # wineserver, on Debian
export WINEPREFIX=$1 WINEDEBUG=-all WINEARCH=win64 WINEDLLOVERRIDES="mscoree,mshtml,winemenubuilder.exe=" # no offers of Mono and Gecko, no menus outside
[ -e "$WINEPREFIX/ready" ] && exit
mkdir -p "$WINEPREFIX"
wineboot --init >/dev/null 2>&1
wine winecfg /v win10 >/dev/null 2>&1
wineserver -w
x86_64-w64-mingw32-gcc -O2 -s -shared -o "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll" bcryptprimitives.c -ladvapi32
touch "$WINEPREFIX/ready"
