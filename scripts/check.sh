#!/usr/bin/env bash
# The one command that says yes or no: format, vet, lint, import rule,
# generated files current, types, unit tests.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }
case "$(uname -s)" in Linux) tags=desktop,production,webkit2_41 ;; *) tags=desktop,production ;; esac

step "gofmt"
unformatted=$(git ls-files -co --exclude-standard '*.go' | xargs -r gofmt -l)
[ -z "$unformatted" ] || { echo "not formatted:"; echo "$unformatted"; exit 1; }

step "go vet"
go vet -tags "$tags" . ./desktop ./frontend/messages ./backend/...

step "golangci-lint"
go tool -modfile=scripts/lint/go.mod golangci-lint run --allow-parallel-runners --build-tags "$tags" ./...

step "generated files are current"
scripts/bindings.sh --check

# .ci/run sets PORCH_TESTED, because `make test` runs them whole after it.
if [ -z "${PORCH_TESTED:-}" ]; then
  step "go test -short (with the import rule)"
  go test -short ./backend/...
fi

step "front end: lint, types, unit tests"
(cd frontend && npm run --silent lint && npm run --silent check && npm test --silent)

step "workflow and shell scripts"
go tool -modfile=scripts/lint/go.mod actionlint
for f in scripts/*.sh scripts/wine/*.sh .ci/run; do bash -n "$f"; done

echo
echo "check: yes"
