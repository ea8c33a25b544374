#!/usr/bin/env bash
# Installs Porch under Wine without a question and removes it again, and looks at files, start menu, registry and protocol
# before, between and after: installer.sh SETUP.exe, with WINEPREFIX.
set -euo pipefail
setup=$(winepath -w "$(realpath "$1")" 2>/dev/null)
profile="$WINEPREFIX/drive_c/users/$(id -un)"
program="$profile/AppData/Local/Programs/Porch/porch.exe"
menu="$profile/AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Porch.lnk"
uninstall='HKCU\Software\Microsoft\Windows\CurrentVersion\Uninstall\Porch'
command='HKCU\Software\Classes\porch\shell\open\command'

value() { # key [name]: its value, or nothing
  local named=(/ve)
  [ $# -lt 2 ] || named=(/v "$2")
  wine reg query "$1" "${named[@]}" 2>/dev/null | tr -d '\r' | sed -n 's/.*REG_[A-Z]* *//p'
}
# The person's part, without times, empty lines and the fonts, which Wine looks for at every start.
registry() { wineserver -w; sed 's/^\(\[.*\]\) [0-9]*$/\1/' "$WINEPREFIX/user.reg" | grep -vE '^(#time|#link|;;|$)|[Ff]onts' | LC_ALL=C sort; }
files() { find "$WINEPREFIX/drive_c" -type f -o -type l | grep -vE '/(Temp|temp)/' | LC_ALL=C sort; }
fail() { echo "installer: $*" >&2; exit 1; }
same() { [ "$1" = "$2" ] || fail "$3: $1, not $2"; echo "yes: $3"; }

wine reg query 'HKCU\Software' >/dev/null 2>&1 # what Wine itself writes at its first look is there before
# The runtime of the window is said to be there: fetching it needs Microsoft's servers.
wine reg add 'HKCU\Software\Microsoft\EdgeUpdate\Clients\{F3017226-FE2A-4295-8BDF-00C3A9A7E4C5}' /v pv /d 999.0.0.0 /f >/dev/null 2>&1
# Windows has these, empty or not.
for key in 'Classes\AppUserModelId' 'Classes\CLSID' 'Microsoft\Windows\CurrentVersion\Uninstall' 'Microsoft\Windows\CurrentVersion\Run'; do
  wine reg add "HKCU\\Software\\$key" /f >/dev/null 2>&1
done
files >"$WINEPREFIX/files.before"
registry >"$WINEPREFIX/registry.before"

wine "$setup" /S 2>/dev/null || fail "the installer ended with $?"
[ -s "$program" ] && [ -s "${program%/*}/uninstall.exe" ] && [ -s "${program%/*}/LICENSE.txt" ] && [ -s "${program%/*}/THIRD-PARTY.txt" ] || fail "a file is missing"
echo "yes: the program, its uninstaller and the licences are there"
[ -s "$menu" ] || fail "the start menu does not have it"
echo "yes: the start menu has it"
where="C:\\users\\$(id -un)\\AppData\\Local\\Programs\\Porch"
same "$(value "$command")" "\"$where\\porch.exe\" \"%1\"" "porch: opens the program"
wine reg query 'HKCU\Software\Classes\porch' /v 'URL Protocol' >/dev/null 2>&1 || fail "porch: is no protocol"
same "$(value "$uninstall" UninstallString)" "\"$where\\uninstall.exe\"" "the list of programs has its uninstaller"
same "$(value "$uninstall" DisplayVersion)" "$(basename "$1" | sed 's/^porch-\(.*\)-windows-setup.exe$/\1/')" "the list of programs has its version"
same "$(wine "$program" --version 2>/dev/null | tr -d '\r' | cut -d' ' -f2)" "$(value "$uninstall" DisplayVersion)" "the program says the same version"
same "$(value 'HKCU\Software\Porch' FirewallRule)" "" "no firewall rule was made"

# What a person made stays, what the program wrote for itself goes.
mkdir -p "$profile/AppData/Roaming/porch" "$profile/AppData/Roaming/porch.exe/EBWebView"
echo mine >"$profile/AppData/Roaming/porch/porch.db"
echo cache >"$profile/AppData/Roaming/porch.exe/EBWebView/cache"
wine reg add 'HKCU\Software\Classes\AppUserModelId\porch.exe' /v CustomActivator /d '{00000000-0000-0000-0000-000000000001}' /f >/dev/null 2>&1
wine reg add 'HKCU\Software\Classes\CLSID\{00000000-0000-0000-0000-000000000001}\LocalServer32' /ve /d porch.exe /f >/dev/null 2>&1
wine reg add 'HKCU\Software\Microsoft\Windows\CurrentVersion\Run' /v call.porch.app /d porch.exe /f >/dev/null 2>&1

# Over the old one, as an update does.
wine "$setup" /S 2>/dev/null || fail "a second time, the installer ended with $?"
[ -s "$program" ] || fail "a second time, the program is missing"
echo "yes: it installs over itself"

wine "${program%/*}/uninstall.exe" /S 2>/dev/null || fail "the uninstaller ended with $?"
wineserver -w # it goes on as a copy of itself
[ "$(cat "$profile/AppData/Roaming/porch/porch.db")" = mine ] || fail "the person's data is gone"
rm -r "$profile/AppData/Roaming/porch"
files >"$WINEPREFIX/files.after"
registry >"$WINEPREFIX/registry.after"
left=$(diff "$WINEPREFIX/files.before" "$WINEPREFIX/files.after" || true)
[ -z "$left" ] || fail "these files differ: $left"
left=$(diff "$WINEPREFIX/registry.before" "$WINEPREFIX/registry.after" || true)
[ -z "$left" ] || fail "the registry differs: $left"
if grep -i porch "$WINEPREFIX/system.reg"; then fail "the machine's part of the registry has something of Porch"; fi
echo "yes: files and registry are as before, and the person's data stayed"

# Without the runtime, and with a bootstrapper that can't fetch it, Porch is installed all the same, and says so itself.
wine reg delete 'HKCU\Software\Microsoft\EdgeUpdate' /f >/dev/null 2>&1
timeout 120 wine "$setup" /S 2>/dev/null || fail "without WebView2, the installer ended with $?"
[ -s "$program" ] || fail "without WebView2, the program is missing"
echo "yes: it installs where WebView2 is missing and can't be fetched"
