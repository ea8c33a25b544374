#!/usr/bin/env bash
# Opens the app that `make build` made: on the display there is, or under Xvfb
# with a bus of its own where there is none.
set -euo pipefail
cd "$(dirname "$0")/.."

app=build/bin/porch
# WebKit's sandbox needs user namespaces, which root in a container has not.
if [ "$(id -u)" -eq 0 ]; then export WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS=1; fi

if [ "$(uname -s)" != Linux ] || [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
  exec "$app" "$@"
fi
echo "run: no display; opening the window under Xvfb"
# The bus inside the display: what it starts (a notification daemon) needs both.
exec xvfb-run -a -s "-screen 0 1280x800x24 -noreset" dbus-run-session -- "$app" "$@"
