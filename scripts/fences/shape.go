package fences

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Limits of style.md: at 500 lines a file is split.
const maxLines = 500

var (
	// vagueFiles and vagueRooms say nothing about what is inside.
	vagueFiles = []string{"types.go", "utils.go", "util.go", "helpers.go", "helper.go", "common.go", "service.go", "manager.go", "models.go", "misc.go", "interfaces.go"}
	vagueRooms = []string{"common", "models", "model", "utils", "util", "helpers", "shared", "misc", "internal", "pkg", "base", "core", "types"}

	leftover = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)
)

// checkShape looks at one package's documentation, names and files.
func checkShape(p Package) []string {
	var breaches []string
	room := p.Room()
	if len(p.GoFiles)+len(p.CgoFiles) > 0 {
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command "
		}
		if !strings.HasPrefix(p.Doc, want) {
			breaches = append(breaches, fmt.Sprintf("%s: its documentation must begin with %q and say what the room is for", room, want))
		}
	}
	if len(p.CgoFiles) > 0 {
		breaches = append(breaches, room+" uses cgo: both binaries are static")
	}
	if slices.Contains(vagueRooms, path.Base(room)) {
		breaches = append(breaches, room+": the name says nothing about what is inside; name the capability")
	}
	for _, file := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
		breaches = append(breaches, checkFile(path.Join(room, file), filepath.Join(p.Dir, file))...)
	}
	return breaches
}

func checkFile(name, file string) []string {
	if slices.Contains(vagueFiles, path.Base(name)) {
		return []string{name + ": the name says nothing about what is inside; name the verb or the noun"}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return []string{err.Error()}
	}
	return checkText(name, text)
}

func checkText(name string, text []byte) []string {
	var breaches []string
	if n := bytes.Count(text, []byte("\n")); n > maxLines {
		breaches = append(breaches, fmt.Sprintf("%s has %d lines: at %d it is split, one file per verb", name, n, maxLines))
	}
	if within(name, "scripts/fences") { // this package names what it forbids
		return breaches
	}
	if m := leftover.Find(text); m != nil {
		breaches = append(breaches, fmt.Sprintf("%s holds %s: do it now, or write an issue", name, m))
	}
	if bytes.Contains(text, []byte("InsecureSkipVerify")) && !bytes.Contains(text, []byte("VerifyConnection")) && !bytes.Contains(text, []byte("VerifyPeerCertificate")) {
		breaches = append(breaches, name+" switches certificate checks off without a check of its own in the same file (reliability.md S16)")
	}
	return breaches
}

// other are the files that are not Go and have the same bound, by ending, where they are ours.
var other = []string{".ts", ".tsx", ".js", ".css", ".sh", ""}

// CheckOther looks at scripts and at the web UI's sources; names are those that git knows, relative to root.
func CheckOther(root string, names []string) []string {
	var breaches []string
	for _, name := range names {
		ours := withinAny(name, []string{"scripts", "web/ui/src", ".ci"}) && slices.Contains(other, path.Ext(name))
		if !ours {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // deleted, not yet committed
		}
		if err != nil {
			breaches = append(breaches, err.Error())
			continue
		}
		if bytes.Contains(text, []byte("generated")) && bytes.Contains(text, []byte("openapi")) {
			continue
		}
		breaches = append(breaches, checkText(name, text)...)
	}
	return breaches
}
