; The Windows installer. scripts/dist.sh calls:
;   makensis -DVERSION=1.2.3 -DNUMBER=1.2.3 -DPROGRAM=porch.exe -DWEBVIEW2=MicrosoftEdgeWebview2Setup.exe
;            -DLICENCE=LICENSE -DTHIRD_PARTY=THIRD-PARTY.txt -DOUT=porch-1.2.3-windows-setup.exe build/windows/installer.nsi
;
; It installs for the person who runs it, needs no administrator, and writes only below that person's profile and HKCU.
; /S asks nothing and opens no firewall; with /FIREWALL it does. Exit code 2: Porch is running.
; A 64-bit program, as Porch is: Wine runs it without 32-bit libraries, and 32-bit Windows says itself that it can't.
Target amd64-unicode
SetCompressor /SOLID lzma
SetDateSave off
ManifestDPIAware true
RequestExecutionLevel user

!include MUI2.nsh
!include FileFunc.nsh
!include LogicLib.nsh
!include Sections.nsh
!include WinVer.nsh

Name "Porch"
OutFile "${OUT}"
BrandingText "Porch ${VERSION}"
InstallDir "$LOCALAPPDATA\Programs\Porch"
InstallDirRegKey HKCU "Software\Porch" "InstallDir"
VIProductVersion "${NUMBER}.0"
VIAddVersionKey ProductName "Porch"
VIAddVersionKey ProductVersion "${VERSION}"
VIAddVersionKey FileVersion "${NUMBER}"
VIAddVersionKey FileDescription "Porch installer"
VIAddVersionKey CompanyName "Porch"
VIAddVersionKey LegalCopyright "Copyright 2026 the Porch authors. Apache-2.0."

!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\Porch"
!define CLASSES "Software\Classes"
; Where the WebView2 runtime says its version (Microsoft, "Distribute your app and the WebView2 Runtime").
!define WEBVIEW2_KEY "Microsoft\EdgeUpdate\Clients\{F3017226-FE2A-4295-8BDF-00C3A9A7E4C5}"

!define MUI_ICON icon.ico
!define MUI_UNICON icon.ico
!define MUI_COMPONENTSPAGE_SMALLDESC
!define MUI_FINISHPAGE_RUN "$INSTDIR\porch.exe"
!insertmacro MUI_PAGE_COMPONENTS
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"
!insertmacro MUI_LANGUAGE "German"

LangString NAME_FIREWALL ${LANG_ENGLISH} "Answer people on this network"
LangString NAME_FIREWALL ${LANG_GERMAN} "Leuten in diesem Netz antworten"
LangString ABOUT_PORCH ${LANG_ENGLISH} "The program, for you alone. No administrator is needed."
LangString ABOUT_PORCH ${LANG_GERMAN} "Das Programm, nur für Sie. Es braucht keinen Administrator."
LangString ABOUT_FIREWALL ${LANG_ENGLISH} "A rule for Windows Firewall, so that links open on your private network. Windows will ask for an administrator. Without it, Windows asks when Porch first starts."
LangString ABOUT_FIREWALL ${LANG_GERMAN} "Eine Regel für die Windows-Firewall, damit sich Links im privaten Netz öffnen lassen. Windows wird nach einem Administrator fragen. Ohne sie fragt Windows beim ersten Start von Porch."
LangString RUNNING ${LANG_ENGLISH} "Porch is running. Choose Quit in Porch's settings, then Retry."
LangString RUNNING ${LANG_GERMAN} "Porch läuft. Wählen Sie in den Einstellungen von Porch „Beenden“ und dann „Wiederholen“."
LangString OLD_WINDOWS ${LANG_ENGLISH} "Porch needs Windows 10 or newer."
LangString OLD_WINDOWS ${LANG_GERMAN} "Porch braucht Windows 10 oder neuer."
LangString GETTING_WEBVIEW2 ${LANG_ENGLISH} "Getting Microsoft WebView2, which draws Porch's window"
LangString GETTING_WEBVIEW2 ${LANG_GERMAN} "Microsoft WebView2 wird geholt; es zeichnet das Fenster von Porch"
LangString NO_WEBVIEW2 ${LANG_ENGLISH} "Microsoft WebView2 could not be installed. Porch will ask for it when it starts; it is at https://go.microsoft.com/fwlink/p/?LinkId=2124703"
LangString NO_WEBVIEW2 ${LANG_GERMAN} "Microsoft WebView2 konnte nicht installiert werden. Porch wird beim Start danach fragen; es liegt unter https://go.microsoft.com/fwlink/p/?LinkId=2124703"
LangString NO_FIREWALL ${LANG_ENGLISH} "The firewall rule was not made. Windows will ask when Porch first starts."
LangString NO_FIREWALL ${LANG_GERMAN} "Die Firewall-Regel wurde nicht angelegt. Windows wird beim ersten Start von Porch fragen."
LangString RULE_STAYS ${LANG_ENGLISH} "The firewall rule $\"Porch$\" stays, because removing it needs an administrator."
LangString RULE_STAYS ${LANG_GERMAN} "Die Firewall-Regel „Porch“ bleibt, denn um sie zu entfernen, braucht es einen Administrator."

; A running program can't be opened for writing.
!macro WaitForEnd
  ${If} ${FileExists} "$INSTDIR\porch.exe"
    again:
    ClearErrors
    FileOpen $0 "$INSTDIR\porch.exe" a
    ${If} ${Errors}
      MessageBox MB_RETRYCANCEL|MB_ICONEXCLAMATION "$(RUNNING)" /SD IDCANCEL IDRETRY again
      SetErrorLevel 2
      Quit
    ${EndIf}
    FileClose $0
  ${EndIf}
!macroend

Section "Porch" SecPorch
  SectionIn RO
  SetOutPath "$INSTDIR"
  File "/oname=porch.exe" "${PROGRAM}"
  File "/oname=LICENSE.txt" "${LICENCE}"
  File "/oname=THIRD-PARTY.txt" "${THIRD_PARTY}"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  CreateShortcut "$SMPROGRAMS\Porch.lnk" "$INSTDIR\porch.exe"
  WriteRegStr HKCU "Software\Porch" "InstallDir" "$INSTDIR"

  ; A porch: address starts Porch, or brings its window to the front. Porch reads nothing in it.
  WriteRegStr HKCU "${CLASSES}\porch" "" "URL:Porch"
  WriteRegStr HKCU "${CLASSES}\porch" "URL Protocol" ""
  WriteRegStr HKCU "${CLASSES}\porch\DefaultIcon" "" "$INSTDIR\porch.exe,0"
  WriteRegStr HKCU "${CLASSES}\porch\shell\open\command" "" '"$INSTDIR\porch.exe" "%1"'

  WriteRegStr HKCU "${UNINSTALL}" "DisplayName" "Porch"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayIcon" "$INSTDIR\porch.exe"
  WriteRegStr HKCU "${UNINSTALL}" "Publisher" "The Porch authors"
  WriteRegStr HKCU "${UNINSTALL}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKCU "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKCU "${UNINSTALL}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKCU "${UNINSTALL}" "NoModify" 1
  WriteRegDWORD HKCU "${UNINSTALL}" "NoRepair" 1
  ${GetSize} "$INSTDIR" "/S=0K" $0 $1 $2
  IntFmt $0 "0x%08X" $0
  WriteRegDWORD HKCU "${UNINSTALL}" "EstimatedSize" "$0"
SectionEnd

; Microsoft's bootstrapper is brought along and fetches the runtime from Microsoft, where it is missing. Windows 11, and
; Windows 10 with Edge, have it.
Section "-WebView2"
  SetRegView 32
  ReadRegStr $0 HKLM "SOFTWARE\${WEBVIEW2_KEY}" "pv"
  SetRegView default
  ${If} $0 == ""
  ${OrIf} $0 == "0.0.0.0"
    ReadRegStr $0 HKCU "Software\${WEBVIEW2_KEY}" "pv"
  ${EndIf}
  ${If} $0 == ""
  ${OrIf} $0 == "0.0.0.0"
    DetailPrint "$(GETTING_WEBVIEW2)"
    InitPluginsDir
    File "/oname=$PLUGINSDIR\MicrosoftEdgeWebview2Setup.exe" "${WEBVIEW2}"
    ClearErrors
    ExecWait '"$PLUGINSDIR\MicrosoftEdgeWebview2Setup.exe" /silent /install' $1
    ${If} ${Errors}
    ${OrIf} $1 <> 0
      DetailPrint "$(NO_WEBVIEW2)"
      MessageBox MB_OK|MB_ICONINFORMATION "$(NO_WEBVIEW2)" /SD IDOK
    ${EndIf}
  ${EndIf}
SectionEnd

; Off unless the person ticks it, because it needs an administrator.
Section /o "$(NAME_FIREWALL)" SecFirewall
  ClearErrors
  ExecShellWait "runas" "$SYSDIR\netsh.exe" 'advfirewall firewall add rule name="Porch" dir=in action=allow profile=private,domain program="$INSTDIR\porch.exe" enable=yes' SW_HIDE
  ${If} ${Errors}
    DetailPrint "$(NO_FIREWALL)"
  ${Else}
    WriteRegDWORD HKCU "Software\Porch" "FirewallRule" 1
  ${EndIf}
SectionEnd

Function .onInit
  ${IfNot} ${AtLeastWin10}
    MessageBox MB_OK|MB_ICONSTOP "$(OLD_WINDOWS)" /SD IDOK
    Quit
  ${EndIf}
  ${GetParameters} $0
  ClearErrors
  ${GetOptions} $0 "/FIREWALL" $1
  ${IfNot} ${Errors}
    !insertmacro SelectSection ${SecFirewall}
  ${EndIf}
  !insertmacro WaitForEnd
FunctionEnd

!insertmacro MUI_FUNCTION_DESCRIPTION_BEGIN
  !insertmacro MUI_DESCRIPTION_TEXT ${SecPorch} "$(ABOUT_PORCH)"
  !insertmacro MUI_DESCRIPTION_TEXT ${SecFirewall} "$(ABOUT_FIREWALL)"
!insertmacro MUI_FUNCTION_DESCRIPTION_END

Function un.onInit
  !insertmacro WaitForEnd
FunctionEnd

; The person's links and settings (%APPDATA%\porch) stay.
Section "Uninstall"
  Delete "$INSTDIR\porch.exe"
  Delete "$INSTDIR\LICENSE.txt"
  Delete "$INSTDIR\THIRD-PARTY.txt"
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
  Delete "$SMPROGRAMS\Porch.lnk"

  ReadRegDWORD $0 HKCU "Software\Porch" "FirewallRule"
  ${If} $0 = 1
    ClearErrors
    ExecShellWait "runas" "$SYSDIR\netsh.exe" 'advfirewall firewall delete rule name="Porch"' SW_HIDE
    ${If} ${Errors}
      MessageBox MB_OK|MB_ICONINFORMATION "$(RULE_STAYS)" /SD IDOK
    ${EndIf}
  ${EndIf}

  ; What Porch wrote while it ran: how notifications find it, opening at login, and the cache of the window's page.
  ReadRegStr $0 HKCU "${CLASSES}\AppUserModelId\porch.exe" "CustomActivator"
  ${If} $0 != ""
    DeleteRegKey HKCU "${CLASSES}\CLSID\$0"
  ${EndIf}
  DeleteRegKey HKCU "${CLASSES}\AppUserModelId\porch.exe"
  DeleteRegKey HKCU "Software\porch.exe"
  DeleteRegValue HKCU "Software\Microsoft\Windows\CurrentVersion\Run" "call.porch.app"
  RMDir /r "$APPDATA\porch.exe"

  DeleteRegKey HKCU "${CLASSES}\porch"
  DeleteRegKey HKCU "${UNINSTALL}"
  DeleteRegKey HKCU "Software\Porch"
SectionEnd
