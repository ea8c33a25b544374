#!/usr/bin/env bash
# On a Mac: makes Porch.app for Apple and Intel chips, and build/dist/porch-VERSION-macos.dmg with it. Without more it is
# signed ad hoc, and macOS warns. With APPLE_IDENTITY ("Developer ID Application: …", in the keychain) it is signed with
# that; with APPLE_NOTARY, a profile of notarytool, it is notarised, too. frontend/dist must have been built.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(scripts/version.sh) number=$(scripts/version.sh number)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
app=$work/dmg/Porch.app
mkdir -p build/dist "$app/Contents/MacOS" "$app/Contents/Resources"

# As the wails command does: its windows use a framework that its own #cgo lines do not name.
export MACOSX_DEPLOYMENT_TARGET=12.0
export CGO_ENABLED=1 CGO_CFLAGS="-O2 -g -mmacosx-version-min=12.0" CGO_LDFLAGS="-framework UniformTypeIdentifiers -mmacosx-version-min=12.0"
for arch in arm64 amd64; do
  clang=arm64; [ "$arch" = amd64 ] && clang=x86_64
  CC="clang -arch $clang" GOOS=darwin GOARCH=$arch go build -trimpath -buildvcs=false -tags desktop,production \
    -ldflags "-s -w -buildid= $(scripts/version-flags.sh)" -o "$work/porch-$arch" .
done
lipo -create -output "$app/Contents/MacOS/porch" "$work/porch-arm64" "$work/porch-amd64"

# build/darwin/Info.plist is a template of Wails; these are all names in it.
info() { sed -n "s/.*\"$1\": \"\(.*\)\".*/\1/p" wails.json; }
sed -e "s|{{.Info.ProductName}}|$(info productName)|" -e "s|{{.OutputFilename}}|$(info outputfilename)|" \
  -e "s|{{.Info.ProductVersion}}|$number|" -e "s|{{.Info.Comments}}|$(info comments)|" \
  -e "s|{{.Info.Copyright}}|$(info copyright)|" build/darwin/Info.plist >"$app/Contents/Info.plist"
if grep -n '{{' "$app/Contents/Info.plist"; then echo "dist-macos: a name in Info.plist is not filled in" >&2; exit 1; fi
plutil -lint "$app/Contents/Info.plist"

mkdir "$work/icon.iconset"
for size in 16 32 128 256 512; do
  sips -z "$size" "$size" build/appicon.png --out "$work/icon.iconset/icon_${size}x$size.png" >/dev/null
  sips -z $((size * 2)) $((size * 2)) build/appicon.png --out "$work/icon.iconset/icon_${size}x$size@2x.png" >/dev/null
done
iconutil -c icns "$work/icon.iconset" -o "$app/Contents/Resources/iconfile.icns"
cp LICENSE "$app/Contents/Resources/"
scripts/notices.sh darwin . desktop,production >"$app/Contents/Resources/THIRD-PARTY.txt"

if [ -n "${APPLE_IDENTITY:-}" ]; then
  codesign --force --timestamp --options runtime --entitlements build/darwin/entitlements.plist --sign "$APPLE_IDENTITY" "$app"
else
  echo "signed ad hoc: macOS will warn (no APPLE_IDENTITY)"
  codesign --force --sign - "$app"
fi
codesign --verify --strict --verbose=2 "$app"

ln -s /Applications "$work/dmg/Applications"
dmg=build/dist/porch-$version-macos.dmg
hdiutil create -quiet -ov -volname Porch -srcfolder "$work/dmg" -format ULFO "$dmg"
if [ -n "${APPLE_IDENTITY:-}" ]; then codesign --timestamp --sign "$APPLE_IDENTITY" "$dmg"; fi
if [ -n "${APPLE_NOTARY:-}" ]; then
  xcrun notarytool submit "$dmg" --keychain-profile "$APPLE_NOTARY" --wait
  xcrun stapler staple "$dmg"
else
  echo "not notarised (no APPLE_NOTARY)"
fi
ls -l "$dmg"
