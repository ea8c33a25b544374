#!/usr/bin/env bash
# Packs build/bin/porch-relay as a Debian package, build/bin/porch-relay_*.deb.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/notices.sh linux ./backend/cmd/porch-relay | gzip -9n >build/bin/THIRD-PARTY.gz
export THIRD_PARTY=build/bin/THIRD-PARTY.gz
export VERSION PROGRAM=build/bin/porch-relay ARCH=${ARCH:-$(go env GOARCH)}
VERSION=$(scripts/version.sh)
go tool -modfile=scripts/relay/go.mod nfpm package -f build/relay/nfpm.yaml -p deb -t build/bin/
