#!/usr/bin/env bash
# Runs a program under Wine, for go test -exec. Its output goes through a file: what Wine starts beside it and leaves
# running would hold a pipe open, and go test waits for its end.
out=$(mktemp)
wine "$@" >"$out" 2>&1
code=$?
cat "$out"
rm -f "$out"
exit "$code"
