#!/usr/bin/env bash
# Wine 8 refuses two calls of Windows that Go's standard library takes for granted. This writes copies of the two files of
# Go with the refusal ignored, and prints the overlay (go help build, -overlay) that builds with them: overlay.sh FOLDER.
# Programs that are given to people are never built so.
#   - SIO_UDP_CONNRESET and SIO_UDP_NETRESET, which keep "port unreachable" out of a UDP socket: without them no UDP socket
#   - FileDispositionInformationEx, which deletes a file that is open: without it os.RemoveAll fails
set -euo pipefail
folder=$(realpath -m "$1")
mkdir -p "$folder"
source=$(go env GOROOT)/src

sed 's/return wrapSyscallError("wsaioctl", err)/_ = err/' "$source/net/fd_windows.go" >"$folder/fd_windows.go"
sed '/^func Deleteat(/,/^}/s/return err.(NTStatus).Errno()/return deleteatFallback(h)/' "$source/internal/syscall/windows/at_windows.go" >"$folder/at_windows.go"
for file in net/fd_windows.go internal/syscall/windows/at_windows.go; do
  cmp -s "$source/$file" "$folder/$(basename "$file")" && { echo "overlay: $file is not as it was: look at it again" >&2; exit 1; }
done
printf '{"Replace": {"%s": "%s", "%s": "%s"}}\n' "$source/net/fd_windows.go" "$folder/fd_windows.go" \
  "$source/internal/syscall/windows/at_windows.go" "$folder/at_windows.go" >"$folder/overlay.json"
echo "$folder/overlay.json"
