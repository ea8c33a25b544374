#!/usr/bin/env bash
# Installs the app's package into bare Debians, by the words of the README, uses it, and removes it again; then the relay's. Needs root, and
# `make dist`. SUITES names the Debians (default "bookworm trixie").
set -euo pipefail
cd "$(dirname "$0")/.."
suites=${SUITES:-bookworm trixie}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

step() { printf '\n== %s\n' "$*"; }
[ "$(id -u)" -eq 0 ] || { echo "test-deb: root is needed for debootstrap and chroot" >&2; exit 1; }
package=$(ls build/dist/porch_*_"$(dpkg --print-architecture)".deb)
relay=$(ls build/dist/porch-relay_*_"$(dpkg --print-architecture)".deb)
work=$(mktemp -d /tmp/porch-deb-XXXXXX)
mounted=()
cleanup() {
  local at
  for at in "${mounted[@]}"; do umount -l "$at" 2>/dev/null || true; done
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT

# What the README tells people to type on Debian, as it stands there.
words=$(awk '/^### Linux/{on=1} on && /^```sh/{code=1; next} code && /^```/{exit} code' README.md)
[ -n "$words" ] || { echo "test-deb: README.md has no commands under \"### Linux\"" >&2; exit 1; }
[ "$(tail -n 1 <<<"$words")" = porch ] || { echo "test-deb: the README's last word on Linux is not \"porch\"" >&2; exit 1; }
grep -qF '`sudo apt remove porch`' README.md || { echo "test-deb: README.md says removing in another way than this" >&2; exit 1; }

try() { # suite
  local suite=$1 root=$work/$1 files left
  step "Debian $suite: bare, with sudo and a user"
  debootstrap --variant=minbase --include=sudo,ca-certificates "$suite" "$root" "$mirror" >"$work/debootstrap.log" 2>&1 ||
    { tail "$work/debootstrap.log" >&2; return 1; }
  mount -t proc proc "$root/proc"; mounted+=("$root/proc")
  mount --bind /dev "$root/dev"; mounted+=("$root/dev")
  chroot "$root" useradd --create-home --shell /bin/bash --uid 4242 ada
  echo 'ada ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/ada"
  echo "127.0.0.1 localhost $(uname -n)" >"$root/etc/hosts" # for sudo
  # Services of packages are not to start here.
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
  install -d -o 4242 -g 4242 "$root/home/ada/Downloads"
  install -m 644 "$package" "$root/home/ada/Downloads/"
  chroot "$root" dpkg-query -W -f '${Package}\n' | LC_ALL=C sort >"$work/packages.before"

  step "Debian $suite: the README's words"
  printf '%s\n' "$words"
  # Whoever types them answers apt's question with Y. What is said after the installation, "porch", is done below.
  yes | chroot "$root" su - ada -c "cd ~/Downloads && export DEBIAN_FRONTEND=noninteractive && $(grep -v '^porch$' <<<"$words")" >"$work/apt.log" 2>&1 ||
    [ "${PIPESTATUS[1]}" -eq 0 ] || { tail -n 20 "$work/apt.log" >&2; return 1; }
  chroot "$root" dpkg -s porch | grep -E '^(Status|Version)'
  chroot "$root" su ada -c 'porch --version'
  chroot "$root" su ada -c 'ldd /usr/bin/porch' | grep 'not found' && return 1
  for files in /usr/share/applications/porch.desktop /usr/share/doc/porch/copyright /usr/share/icons/hicolor/256x256/apps/porch.png; do
    [ -s "$root$files" ] || { echo "missing: $files" >&2; return 1; }
  done
  grep -qx 'MimeType=x-scheme-handler/porch;' "$root/usr/share/applications/porch.desktop"

  step "Debian $suite: a window, a link, a guest"
  cat >"$work/enter-$suite" <<END
#!/bin/sh
# Runs a command in there as ada, as a session of a desktop would: a bus of its own, the display of whoever calls.
exec bwrap --bind $root / --proc /proc --dev /dev --tmpfs /run --dir /run/ada --ro-bind /sys /sys --bind /tmp/.X11-unix /tmp/.X11-unix \
  --die-with-parent --chdir /home/ada \
  sh -c 'chown ada /run/ada; exec setpriv --reuid 4242 --regid 4242 --init-groups env -i HOME=/home/ada USER=ada LANG=C.UTF-8 PATH=/usr/bin:/bin \
  XDG_RUNTIME_DIR=/run/ada DISPLAY=\$DISPLAY PORCH_LISTEN=\$PORCH_LISTEN PORCH_CAPTURE=\$PORCH_CAPTURE NO_AT_BRIDGE=1 LIBGL_ALWAYS_SOFTWARE=1 dbus-run-session -- "\$@"' sh "\$@"
END
  chmod 755 "$work/enter-$suite"
  (cd frontend && PORCH_DEB_ENTER=$work/enter-$suite PORCH_DEB_SUITE=$suite npx --no-install vitest run -c vitest.lab.config.ts e2e/deb.lab.ts) || return 1

  step "Debian $suite: removed"
  chroot "$root" su - ada -c 'sudo DEBIAN_FRONTEND=noninteractive apt remove -y porch' >"$work/remove.log" 2>&1
  find "$root" -xdev \( -iname '*porch*' \) ! -path "$root/home/ada/*" ! -path "$root/var/lib/dpkg/*" ! -path "$root/var/log/*" ! -path "$root/proc/*" -print >"$work/left"
  if [ -s "$work/left" ]; then echo "left behind:" >&2; cat "$work/left" >&2; return 1; fi
  [ -e "$root/home/ada/.config/porch/porch.db" ] || { echo "the person's links are gone" >&2; return 1; }
  echo "nothing of Porch is left but ada's own:"
  (cd "$root/home/ada" && find . -path '*porch*' ! -name '*.deb' ! -path '*/localstorage/*' | LC_ALL=C sort | sed 's|^\.|  ~|')
  chroot "$root" dpkg-query -W -f '${Package}\n' | LC_ALL=C sort | comm -13 "$work/packages.before" - | wc -l | sed 's/$/ packages came with it/'

  step "Debian $suite: the relay"
  cp "$relay" "$root/tmp/"
  chroot "$root" sh -c "DEBIAN_FRONTEND=noninteractive apt-get install -y /tmp/$(basename "$relay")" >"$work/relay.log" 2>&1
  chroot "$root" porch-relay -version
  [ "$(chroot "$root" stat -c '%a %G' /etc/porch-relay.conf)" = '640 porch-relay' ] || { echo "the relay's settings have another mode" >&2; return 1; }
  chroot "$root" apt-get purge -y porch-relay >>"$work/relay.log" 2>&1
  left=$(find "$root/etc" "$root/usr" "$root/var/lib" -iname '*porch-relay*' ! -path "$root/var/lib/dpkg/*")
  [ -z "$left" ] || { echo "left behind: $left" >&2; return 1; }
  echo "installed, purged, nothing left"
  umount -l "$root/proc" "$root/dev"
  rm -rf --one-file-system "$root"
}

for suite in $suites; do
  try "$suite" # not in a condition, where a command that fails would go unnoticed
  echo "test-deb: Debian $suite: yes"
done
