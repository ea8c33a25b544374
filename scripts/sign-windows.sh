#!/usr/bin/env bash
# Signs a program for Windows in place (Authenticode), for PORCH_SIGN_WINDOWS: sign-windows.sh FILE. PORCH_SIGN_FOLDER has
# certificate.pfx and password. PORCH_SIGN_STAMP is the server of time stamps; "" leaves the stamp out.
set -euo pipefail
stamp=${PORCH_SIGN_STAMP-http://timestamp.digicert.com}
osslsigncode sign -pkcs12 "$PORCH_SIGN_FOLDER/certificate.pfx" -readpass "$PORCH_SIGN_FOLDER/password" -h sha256 \
  -n Porch ${stamp:+-ts "$stamp"} -in "$1" -out "$1.signed"
mv "$1.signed" "$1"
