# On Windows: installs Porch as a person's /S would, opens its window, takes a picture of it, and removes it again.
# try-windows.ps1 SETUP.exe PICTURE.png
param([string]$Setup, [string]$Picture)
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version Latest

function Check([bool]$Holds, [string]$What) {
  if (-not $Holds) { throw "try-windows: $What" }
  Write-Output "yes: $What"
}

$exe = "$env:LOCALAPPDATA\Programs\Porch\porch.exe"
$link = "$env:APPDATA\Microsoft\Windows\Start Menu\Programs\Porch.lnk"
$uninstall = 'HKCU:\Software\Microsoft\Windows\CurrentVersion\Uninstall\Porch'

$install = Start-Process -FilePath $Setup -ArgumentList '/S' -Wait -PassThru
Check ($install.ExitCode -eq 0) 'the installer ends well'
Check (Test-Path $exe) 'the program is there'
Check (Test-Path $link) 'the start menu has it'
Check (Test-Path 'HKCU:\Software\Classes\porch\shell\open\command') 'porch: is registered'
Write-Output "version: $((Get-ItemProperty $uninstall).DisplayVersion)"

$env:PORCH_DATA_DIR = Join-Path $env:TEMP 'porch-try'
$app = Start-Process -FilePath $exe -PassThru
$shown = $false
foreach ($i in 1..60) {
  Start-Sleep -Seconds 1
  $app.Refresh()
  if ($app.HasExited) { throw "try-windows: Porch ended with $($app.ExitCode)" }
  if ($app.MainWindowTitle -eq 'Porch') { $shown = $true; break }
}
Check $shown 'the window opens'
Start-Sleep -Seconds 15 # for WebView2 to draw, on a machine that has never started it; the picture shows what it did

Add-Type -AssemblyName System.Windows.Forms, System.Drawing
$bounds = [System.Windows.Forms.Screen]::PrimaryScreen.Bounds
$bitmap = New-Object System.Drawing.Bitmap $bounds.Width, $bounds.Height
$graphics = [System.Drawing.Graphics]::FromImage($bitmap)
$graphics.CopyFromScreen($bounds.Location, [System.Drawing.Point]::Empty, $bounds.Size)
$bitmap.Save($Picture, [System.Drawing.Imaging.ImageFormat]::Png)
Write-Output "picture: $Picture"

Stop-Process -Id $app.Id
$app.WaitForExit()
$remove = Start-Process -FilePath "$env:LOCALAPPDATA\Programs\Porch\uninstall.exe" -ArgumentList '/S', "_?=$env:LOCALAPPDATA\Programs\Porch" -Wait -PassThru
Check ($remove.ExitCode -eq 0) 'the uninstaller ends well'
Check (-not (Test-Path $exe)) 'the program is gone'
Check (-not (Test-Path $link)) 'the start menu is without it'
Check (-not (Test-Path $uninstall)) 'the list of programs is without it'
Check (-not (Test-Path 'HKCU:\Software\Classes\porch')) 'porch: is gone'
