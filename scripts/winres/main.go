// Command winres writes what Windows wants to know of a program before it runs: its icon, its manifest and its version,
// as an object that go build links in. It does so without a C compiler, and from the same files as the wails command.
//
//	winres ROOT write FILE.syso
//	winres ROOT check FILE.exe
//
// ROOT is the repository's. check fails unless the program carries just what write would give it.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"text/template"

	"github.com/tc-hib/winres"
	"github.com/tc-hib/winres/version"
)

const (
	// The number under which Wails looks for the icon of its windows (winc.AppIconID), and the first one that a program
	// has is the one that Explorer shows.
	iconID = winres.ID(3)
	// CREATEPROCESS_MANIFEST_RESOURCE_ID of the Windows SDK.
	manifestID = winres.ID(1)
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("winres: ")
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: winres ROOT write FILE.syso | winres ROOT check FILE.exe")
	}
	resources, err := resourcesOf(args[0])
	if err != nil {
		return err
	}
	switch args[1] {
	case "write":
		return write(resources, args[2])
	case "check":
		return check(resources, args[2])
	default:
		return fmt.Errorf("%q is neither write nor check", args[1])
	}
}

// resourcesOf puts together what a program gets.
func resourcesOf(root string) (*winres.ResourceSet, error) {
	windows := filepath.Join(root, "build", "windows")
	project, err := projectOf(root)
	if err != nil {
		return nil, err
	}
	var set winres.ResourceSet
	ico, err := os.ReadFile(filepath.Join(windows, "icon.ico"))
	if err != nil {
		return nil, err
	}
	icon, err := winres.LoadICO(bytes.NewReader(ico))
	if err != nil {
		return nil, fmt.Errorf("icon.ico: %w", err)
	}
	if err := set.SetIcon(iconID, icon); err != nil {
		return nil, fmt.Errorf("icon.ico: %w", err)
	}
	manifest, err := project.fill(filepath.Join(windows, "wails.exe.manifest"))
	if err != nil {
		return nil, err
	}
	// For its errors alone: what Windows reads shall be the file as it was written.
	if _, err := winres.AppManifestFromXML(manifest); err != nil {
		return nil, fmt.Errorf("wails.exe.manifest: %w", err)
	}
	if err := set.Set(winres.RT_MANIFEST, manifestID, winres.LCIDDefault, manifest); err != nil {
		return nil, fmt.Errorf("wails.exe.manifest: %w", err)
	}
	text, err := project.fill(filepath.Join(windows, "info.json"))
	if err != nil {
		return nil, err
	}
	var info version.Info
	if err := json.Unmarshal(text, &info); err != nil {
		return nil, fmt.Errorf("info.json: %w", err)
	}
	set.SetVersionInfo(info)
	return &set, nil
}

// project is the part of wails.json that the files in build/windows ask for.
type project struct {
	Info struct {
		CompanyName    string `json:"companyName"`
		ProductName    string `json:"productName"`
		ProductVersion string `json:"productVersion"`
		Copyright      string `json:"copyright"`
		Comments       string `json:"comments"`
	} `json:"info"`
}

func projectOf(root string) (*project, error) {
	text, err := os.ReadFile(filepath.Join(root, "wails.json"))
	if err != nil {
		return nil, err
	}
	p := new(project)
	if err := json.Unmarshal(text, p); err != nil {
		return nil, fmt.Errorf("wails.json: %w", err)
	}
	return p, nil
}

// fill reads a template of Wails and fills it in.
func (p *project) fill(file string) ([]byte, error) {
	t, err := template.ParseFiles(file)
	if err != nil {
		return nil, err
	}
	var filled bytes.Buffer
	if err := t.Execute(&filled, p); err != nil {
		return nil, err
	}
	return filled.Bytes(), nil
}

func write(resources *winres.ResourceSet, file string) error {
	var object bytes.Buffer
	if err := resources.WriteObject(&object, winres.ArchAMD64); err != nil {
		return err
	}
	return os.WriteFile(file, object.Bytes(), 0o644) //nolint:gosec // a build product, for everybody to read
}

func check(want *winres.ResourceSet, file string) error {
	exe, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = exe.Close() }()
	got, err := winres.LoadFromEXE(exe)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	want.Walk(func(typeID, id winres.Identifier, lang uint16, data []byte) bool {
		if !bytes.Equal(got.Get(typeID, id, lang), data) {
			err = fmt.Errorf("%s: resource %v/%v is missing or another", file, typeID, id)
		}
		return err == nil
	})
	if err == nil && got.Count() != want.Count() {
		err = fmt.Errorf("%s: has %d resources, not %d", file, got.Count(), want.Count())
	}
	return err
}
