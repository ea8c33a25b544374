#!/usr/bin/env bash
# Prints what the linker writes into every program: the version, and where it looks for newer ones. PORCH_UPDATES_PLACE is
# the address of the list, PORCH_UPDATES_KEY its public key (porch-versions key); without both, programs look nowhere.
set -euo pipefail
cd "$(dirname "$0")/.."
at=github.com/porch-call/porch/backend
flags="-X $at/version.number=$(scripts/version.sh)"
if [ -n "${PORCH_UPDATES_PLACE:-}" ] && [ -n "${PORCH_UPDATES_KEY:-}" ]; then
  flags+=" -X $at/updates.place=$PORCH_UPDATES_PLACE -X $at/updates.key=$PORCH_UPDATES_KEY"
fi
echo "$flags"
