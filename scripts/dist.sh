#!/usr/bin/env bash
# Makes everything that people download, in build/dist, with one version number (scripts/version.sh): Debian packages of
# the app and of the relay, the Windows installer, the Flatpak's parts, the relay as static programs, SHA256SUMS and an
# SBOM. The .dmg for Macs is made on a Mac: scripts/dist-macos.sh. PORCH_SIGN_WINDOWS, if set, is a program that signs
# the file that it is given, in place.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(scripts/version.sh)
SOURCE_DATE_EPOCH=$(scripts/version.sh date) # nfpm, makensis and tar take it for the time of files
export SOURCE_DATE_EPOCH
out=$PWD/build/dist
programs=$out/programs stage=$out/stage
rm -rf "$out"
mkdir -p "$programs" "$stage"

step() { printf '\n== %s\n' "$*"; }
pack() { # archive folder: the same folder gives the same bytes
  tar -C "$(dirname "$2")" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
    -cf - "$(basename "$2")" | gzip -9n >"$1"
}
sign() {
  if [ -n "${PORCH_SIGN_WINDOWS:-}" ]; then "$PORCH_SIGN_WINDOWS" "$1"; fi
}
nfpm() { go tool -modfile=scripts/relay/go.mod nfpm package -f "$1" -p deb -t "$out/"; }

step "programs, version $version"
scripts/dist-programs.sh "$programs"
"$programs/porch" --version

step "licences of others"
scripts/notices.sh linux . desktop,production,webkit2_41 >"$stage/THIRD-PARTY.porch"
scripts/notices.sh windows . desktop,production | sed 's/$/\r/' >"$stage/THIRD-PARTY.windows.txt"
scripts/notices.sh linux ./backend/cmd/porch-relay >"$stage/THIRD-PARTY.relay"
gzip -9nk "$stage/THIRD-PARTY.porch" "$stage/THIRD-PARTY.relay"
sed 's/$/\r/' LICENSE >"$stage/LICENSE.txt"

step "Debian packages"
export VERSION=$version PROGRAMS=$programs STAGE=$stage THIRD_PARTY=$stage/THIRD-PARTY.relay.gz
scripts/deb-needs.sh "$programs/porch" build/linux/nfpm.yaml
ARCH=$(go env GOARCH) nfpm build/linux/nfpm.yaml
for arch in amd64 arm64; do
  ARCH=$arch PROGRAM=$programs/porch-relay-$arch nfpm build/relay/nfpm.yaml
done

step "relay"
for arch in amd64 arm64; do
  folder=$stage/porch-relay-$version-linux-$arch
  mkdir "$folder"
  cp "$programs/porch-relay-$arch" "$folder/porch-relay"
  cp build/relay/{Containerfile,porch-relay.service,porch-relay.conf} docs/relay.md LICENSE "$stage/THIRD-PARTY.relay.gz" "$folder/"
  pack "$folder.tar.gz" "$folder"
done
mv "$stage"/porch-relay-*.tar.gz "$out/"

step "Flatpak"
folder=$stage/porch-$version-flatpak
mkdir "$folder"
cp "$programs/porch" build/linux/{call.porch.app.yml,call.porch.app.metainfo.xml,porch.desktop,porch.png} LICENSE "$folder/"
cp "$stage/THIRD-PARTY.porch.gz" "$folder/THIRD-PARTY.gz"
pack "$out/porch-$version-flatpak.tar.gz" "$folder"

step "Windows"
# Microsoft's bootstrapper comes with Wails, which would start it from the app.
go mod download github.com/wailsapp/wails/v2
cp "$(go list -m -f '{{.Dir}}' github.com/wailsapp/wails/v2)/internal/webview2runtime/MicrosoftEdgeWebview2Setup.exe" "$stage/webview2.exe"
[ -n "${PORCH_SIGN_WINDOWS:-}" ] || echo "not signed: Windows will warn (no PORCH_SIGN_WINDOWS)"
sign "$programs/porch.exe"
# NSIS stores the times of files, and SOURCE_DATE_EPOCH is for its own alone.
cp "$programs/porch.exe" "$stage/porch.exe"
touch -d "@$SOURCE_DATE_EPOCH" "$stage"/*
makensis -V2 -WX "-DVERSION=$version" "-DNUMBER=$(scripts/version.sh number)" "-DPROGRAM=$stage/porch.exe" \
  "-DWEBVIEW2=$stage/webview2.exe" "-DLICENCE=$stage/LICENSE.txt" "-DTHIRD_PARTY=$stage/THIRD-PARTY.windows.txt" \
  "-DOUT=$out/porch-$version-windows-setup.exe" build/windows/installer.nsi
sign "$out/porch-$version-windows-setup.exe"

step "SBOM"
boms=()
for program in porch porch.exe porch-relay-amd64; do
  chmod +x "$programs/$program" # it reads executable files only
  go tool -modfile=scripts/dist/go.mod cyclonedx-gomod bin -json -licenses -noserial -output "$stage/$program.json" "$programs/$program" 2>"$stage/sbom.log" ||
    { cat "$stage/sbom.log" >&2; exit 1; }
  boms+=("$program=$stage/$program.json")
done
node scripts/sbom.mjs "$version" "$SOURCE_DATE_EPOCH" "${boms[@]}" >"$out/porch-$version.cdx.json"

step "sums"
rm -rf "$stage"
scripts/sums.sh
