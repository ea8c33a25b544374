package files

import (
	"strings"

	"github.com/porch-call/porch/backend/signalling"
)

// raster are the first bytes of pictures that a receiver's browser may show: none of them can do anything. A '?' stands
// for any byte.
var raster = map[string][]string{
	".png":  {"\x89PNG\r\n\x1a\n"},
	".jpg":  {"\xff\xd8\xff"},
	".jpeg": {"\xff\xd8\xff"},
	".webp": {"RIFF????WEBP"},
	".gif":  {"GIF87a", "GIF89a"},
}

// programs are the endings of what can run something on some system when it is opened, pages and documents with macros
// among them.
var programs = func() map[string]bool {
	set := make(map[string]bool)
	for ending := range strings.FieldsSeq(`
		exe com scr pif bat cmd msi msix msixbundle appx appxbundle msp mst cpl dll sys ocx drv gadget application appref-ms
		ps1 psm1 psd1 vb vbs vbe js jse mjs cjs ws wsf wsh wsc sct hta chm hlp reg inf lnk url scf library-ms settingcontent-ms
		app command workflow terminal action pkg mpkg dmg webloc inetloc fileloc mobileconfig scpt applescript
		sh bash zsh fish csh ksh run bin out elf so ko deb rpm snap flatpakref flatpakrepo appimage desktop
		apk aab ipa jar jnlp class war py pyc pyw pyz pl rb php lua tcl
		htm html xhtml shtml mht mhtml svg svgz xsl xslt swf
		docm dotm xlsm xltm xlam xll pptm potm ppam ppsm sldm one onepkg accde accdb mdb ade
		iso img vhd vhdx vmdk udf cab`) {
		set["."+ending] = true
	}
	return set
}()

// running are the first bytes of programs: of Windows, of Linux, of a Mac (five), and of scripts.
var running = []string{
	"MZ", "\x7fELF", "\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe", "#!",
}

// sniffed is how many of the first bytes tell what a file is.
const sniffed = 12

// KindOf returns what a name says about a file. It is no proof of anything; see fits.
func KindOf(name string) string {
	ending := strings.ToLower(Ending(name))
	switch {
	case programs[ending]:
		return signalling.FileProgram
	case raster[ending] != nil:
		return signalling.FilePicture
	}
	return signalling.FileOther
}

// fits reports whether the first bytes of a file, sniffed of them or all, are such as its name says: no program passes
// for something else, and what is called a picture is one. A picture of one kind may have the ending of another, as
// programs that save pictures do.
func fits(name string, first []byte) bool {
	switch KindOf(name) {
	case signalling.FileProgram:
		return true
	case signalling.FilePicture:
		for _, patterns := range raster {
			if begins(first, patterns) {
				return true
			}
		}
		return false
	}
	return !begins(first, running)
}

func begins(b []byte, patterns []string) bool {
	for _, p := range patterns {
		if len(b) < len(p) {
			continue
		}
		same := true
		for i := range p {
			same = same && (p[i] == '?' || p[i] == b[i])
		}
		if same {
			return true
		}
	}
	return false
}
