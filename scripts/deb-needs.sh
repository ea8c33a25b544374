#!/usr/bin/env bash
# Compares the libraries that a program asks for with the packages that its nfpm file names: deb-needs.sh PROGRAM NFPM.YAML.
# On other systems than Debian it can't tell, and says so.
set -euo pipefail
program=$1 list=$2
command -v dpkg-query >/dev/null || { echo "deb-needs: no dpkg, not looked at"; exit 0; }

named=$(sed -n '/^depends:/,/^[a-z]/s/^  - \([a-z0-9.+-]*\).*/\1/p' "$list")
missing=
for library in $(readelf -d "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
  package=$(dpkg-query -S "*/$library" 2>/dev/null | sed -n '1s/[:,].*//p')
  [ -n "$package" ] || { echo "deb-needs: $library is in no package here"; missing=yes; continue; }
  package=${package%t64} # Debian's new names since 2024, which provide the old ones
  grep -qxF "$package" <<<"$named" || { echo "deb-needs: $library is in $package, which $list does not name"; missing=yes; }
done
[ -z "$missing" ] || exit 1
echo "deb-needs: $(readelf -d "$program" | grep -c NEEDED) libraries, all in packages that are named"
