#!/usr/bin/env bash
# Writes SHA256SUMS of what lies in build/dist, and fails if a file is larger than 25 MB.
set -euo pipefail
cd "$(dirname "$0")/../build/dist"
find . -maxdepth 1 -type f ! -name SHA256SUMS -printf '%f\0' | LC_ALL=C sort -z | xargs -0 sha256sum >SHA256SUMS
find . -maxdepth 1 -type f -printf '%10s  %f\n' | sort -k 2
large=$(find . -maxdepth 1 -type f -size +25000000c)
[ -z "$large" ] || { echo "larger than 25 MB: $large" >&2; exit 1; }
