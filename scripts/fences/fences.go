// Package fences holds the rules about who may import whom (design.md §8), each with its reason, and the rules about the
// shape of files and packages. Its test runs them over the whole repository; .golangci.yml says part of them again for
// editors, but this is the copy that counts.
package fences

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
)

// Module is the path in go.mod; rules name our packages without it.
const Module = "github.com/payperplay/payperplay"

// Package is what go list tells of one package.
type Package struct {
	ImportPath   string
	Dir          string
	Name         string
	Doc          string // first sentence of the package's documentation
	GoFiles      []string
	CgoFiles     []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// Room is the package's path within the module; "." is the root.
func (p Package) Room() string {
	return short(p.ImportPath)
}

func short(importPath string) string {
	if importPath == Module {
		return "."
	}
	return strings.TrimPrefix(importPath, Module+"/")
}

func (p Package) testImports() []string {
	return append(slices.Clone(p.TestImports), p.XTestImports...)
}

// Load lists all packages of the module in dir but those that git ignores. A package that does not compile is listed with
// what go list knows.
func Load(ctx context.Context, dir string) ([]Package, error) {
	out, err := goList(ctx, dir, "-json=ImportPath,Dir,Name,Doc,GoFiles,CgoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports", "./...")
	if err != nil {
		return nil, err
	}
	var list []Package
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p Package
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, err
		}
		if exec.CommandContext(ctx, "git", "-C", dir, "check-ignore", "-q", p.Room()).Run() != nil {
			list = append(list, p)
		}
	}
}

// Linked lists all packages that end up in a binary.
func Linked(ctx context.Context, dir, room string) ([]string, error) {
	out, err := goList(ctx, dir, "-deps", "-f", "{{.ImportPath}}", "./"+room)
	if err != nil {
		return nil, err
	}
	return strings.Fields(string(out)), nil
}

func goList(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-e"}, args...)...)
	cmd.Dir = dir
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, complaint.String())
	}
	return out, nil
}

// within tells whether an import or room is prefix itself or below it.
func within(name, prefix string) bool {
	return name == prefix || strings.HasPrefix(name, prefix+"/")
}

func withinAny(name string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return within(name, p) })
}

// Check gives one line per breach, with its reason.
func Check(packages []Package) []string {
	var breaches []string
	say := func(format string, args ...any) { breaches = append(breaches, fmt.Sprintf(format, args...)) }
	for _, p := range packages {
		room := p.Room()
		for _, rule := range onlyIn {
			for _, imported := range rule.imports(p) {
				if rule.names(imported) && !withinAny(room, rule.Rooms) {
					say("%s imports %s, which only %s may: %s", room, imported, rule.who(), rule.Why)
				}
			}
		}
		for _, rule := range never {
			for _, imported := range p.Imports {
				if within(room, rule.Room) && within(short(imported), rule.Import) && !withinAny(short(imported), rule.Except) {
					say("%s imports %s: %s", room, short(imported), rule.Why)
				}
			}
		}
		breaches = append(breaches, checkLevels(p)...)
		breaches = append(breaches, checkStdOnly(p)...)
		breaches = append(breaches, checkShape(p)...)
	}
	return breaches
}

// CheckLinked gives a line for each package that a binary must not hold, but does.
func CheckLinked(room string, linked []string) []string {
	var breaches []string
	for _, rule := range notLinked {
		if rule.Binary != room {
			continue
		}
		for _, l := range linked {
			if within(l, rule.Import) || within(short(l), rule.Import) {
				breaches = append(breaches, fmt.Sprintf("the binary %s links %s: %s", room, l, rule.Why))
			}
		}
	}
	return breaches
}

// checkLevels lets a room of the controller import only rooms below its own: nobody calls up.
func checkLevels(p Package) []string {
	room, inside := strings.CutPrefix(p.Room(), "controller/")
	if !inside {
		return nil
	}
	own, known := level(room)
	if !known {
		return []string{fmt.Sprintf("controller/%s has no level: give it one in scripts/fences/rules.go, above all rooms that it calls", room)}
	}
	var breaches []string
	for _, imported := range p.Imports {
		other, inside := strings.CutPrefix(short(imported), "controller/")
		if !inside || sameRoom(room, other) {
			continue
		}
		if l, known := level(other); known && l >= own {
			breaches = append(breaches, fmt.Sprintf("controller/%s (level %d) imports controller/%s (level %d): a command is a call down, a fact is an event, a need is state; nobody calls up or sideways (design.md §8)", room, own, other, l))
		}
	}
	return breaches
}

// sameRoom: a driver and its port (store and store/bolt) are one room.
func sameRoom(a, b string) bool {
	first := func(s string) string { top, _, _ := strings.Cut(s, "/"); return top }
	return first(a) == first(b)
}

func level(room string) (int, bool) {
	for ; room != "."; room = path.Dir(room) {
		if l, ok := levels[room]; ok {
			return l, true
		}
	}
	return 0, false
}

// checkStdOnly keeps packages that must stay light from growing dependencies.
func checkStdOnly(p Package) []string {
	var breaches []string
	for _, rule := range stdOnly {
		if !slices.Contains(rule.Rooms, p.Room()) {
			continue
		}
		for _, imported := range p.Imports {
			if strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
				breaches = append(breaches, fmt.Sprintf("%s imports %s: %s", p.Room(), imported, rule.Why))
			}
		}
	}
	return breaches
}
