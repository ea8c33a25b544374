#!/usr/bin/env bash
# Packs build/bin/porch-relay as a Debian package, build/bin/porch-relay_*.deb.
set -euo pipefail
cd "$(dirname "$0")/.."

# Debian's versions begin with a digit: v1.2.3 is 1.2.3, a bare commit 0.0.0~COMMIT.
version=$(git describe --tags --always --dirty 2>/dev/null || echo dev)
case "$version" in v[0-9]*) version=${version#v} ;; *) version="0.0.0~$version" ;; esac
export VERSION=$version ARCH=${ARCH:-$(go env GOARCH)}
go tool -modfile=scripts/relay/go.mod nfpm package -f build/relay/nfpm.yaml -p deb -t build/bin/
