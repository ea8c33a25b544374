#!/usr/bin/env bash
# Installs what building and testing Porch needs and is missing: Debian
# packages (as root, or with sudo) and the front end's npm packages. Does
# nothing, quickly, when all is there. `scripts/setup.sh build` leaves out what
# only the tests need, `scripts/setup.sh relay` what the public relay does not,
# `scripts/setup.sh dist`, `windows` and `deb` add what packing and the tests of
# packages need, and `scripts/setup.sh lab` what `make lab` does.
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:-all}

build_packages=(
  build-essential pkg-config
  libgtk-3-dev libwebkit2gtk-4.1-dev # the window
  libvpx-dev libopus-dev             # the native media engine
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav # WebCodecs in the window
  xvfb xauth dbus dbus-x11           # a display and a bus where there is none
  xclip xdg-utils                    # the clipboard, mail and messages
)
test_packages=(
  chromium firefox-esr               # guests
  dunst libnotify-bin                # a notification daemon
  pulseaudio pulseaudio-utils        # a sound card
  openbox xdotool x11-utils imagemagick zbar-tools # the window, pressed and looked at
  tcpdump iproute2 iptables procps sqlite3 espeak-ng
  ffmpeg                             # reads recordings, and makes a video of one
  curl openssl libnss3-tools         # the laboratory's certificate authority
  fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji adwaita-icon-theme
)

dist_packages=(nsis binutils)          # the Windows installer; readelf

packages=("${build_packages[@]}")
lab_packages=(nftables socat)
# Not installed, because they would start as servers of this machine: unpacked to build/lab/tools.
lab_servers=(miniupnpd-nftables nginx)
windows_packages=(wine wine64 gcc-mingw-w64-x86-64 chromium)
# A display, a mouse and a browser outside of the bare Debian, and the root within.
deb_packages=(debootstrap bubblewrap chromium openbox xdotool x11-utils imagemagick)

case "$what" in
  dist) packages+=("${dist_packages[@]}") ;;
  windows) packages=("${windows_packages[@]}") ;;
  deb) packages+=("${deb_packages[@]}") ;;
  lab) packages+=("${lab_packages[@]}") ;;
esac
if [ "$what" = all ] || [ "$what" = lab ]; then packages+=("${test_packages[@]}"); fi
if [ "$what" = relay ]; then packages=(); fi

say() { printf 'setup: %s\n' "$*"; }

need_tool() { # name, sentence
  command -v "$1" >/dev/null 2>&1 || { say "$1 is missing: $2"; exit 1; }
}
need_tool go "install Go $(sed -n 's/^go //p' go.mod) or newer from your system or go.dev"
need_tool node "install Node.js 20 or newer"
need_tool npm "install npm, it comes with Node.js"

missing=()
if command -v dpkg-query >/dev/null 2>&1; then
  for p in "${packages[@]}"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null || true)" = installed ] || missing+=("$p")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
      if command -v sudo >/dev/null 2>&1; then as_root=(sudo); else
        say "these Debian packages are missing, and this is not root: ${missing[*]}"
        say "as root: apt-get install ${missing[*]}"
        exit 1
      fi
    fi
    say "installing ${#missing[@]} Debian packages: ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  fi
elif [ "$(uname -s)" = Darwin ]; then
  command -v clang >/dev/null 2>&1 || { say "Xcode's command line tools are missing: xcode-select --install"; exit 1; }
else
  say "this is not Debian; Porch needs what these Debian packages hold: ${packages[*]}"
fi

if [ "$what" = lab ] && command -v apt-get >/dev/null 2>&1; then
  for p in "${lab_servers[@]}"; do
    tools=build/lab/tools/$p
    [ -d "$tools/usr/sbin" ] && continue
    say "unpacking $p to $tools"
    mkdir -p "$tools"
    (cd "$tools" && apt-get download -qq "$p" >/dev/null && dpkg -x ./*.deb . && rm ./*.deb)
  done
fi

# npm: again only when the lock file is newer than the last install.
stamp=frontend/node_modules/.porch-installed
if [ ! -e "$stamp" ] || [ frontend/package-lock.json -nt "$stamp" ] || [ frontend/package.json -nt "$stamp" ]; then
  say "installing npm packages"
  # Not `npm ci`: it refuses a lock file that lacks other systems' builds of a
  # tool (biome, rolldown), and some registries do not have them all. This
  # installs what the lock file says and leaves it as it is.
  (cd frontend && PUPPETEER_SKIP_DOWNLOAD=1 PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 \
    npm install --no-save --no-audit --no-fund --loglevel=error)
  touch "$stamp"
fi
