package template

import (
	"maps"
	"slices"
	"strings"

	"github.com/payperplay/payperplay/protocol"
)

// No server asks for more than any machine has; sums of what is booked stay far from where int64 ends.
const (
	maxMemory    = 16 << 40 // bytes
	maxCPUMillis = 4096 * 1000
	maxDisk      = 1 << 50 // bytes
)

// Input is what an owner asks for; zero fields take the template's defaults.
type Input struct {
	Version     string
	MemoryBytes int64 // container limit
	CPUMillis   int64
	DiskBytes   int64
	Env         map[string]string
}

// Render makes the part of a Spec that follows from the template and the wishes. The caller adds who and where: Server,
// Name, Owner, Revision, HostPort. RCON's password is not in it: the agent makes one per start.
func (t Template) Render(in Input) (protocol.Spec, error) {
	version := in.Version
	if version == "" || strings.EqualFold(version, "latest") {
		version = t.DefaultVersion
	}
	if !slices.Contains(t.Versions, version) {
		return protocol.Spec{}, t.unknownVersion(version)
	}
	memory := orDefault(in.MemoryBytes, int64(t.Memory.Default))
	if memory < int64(t.Memory.Min) {
		return protocol.Spec{}, protocol.Faultf(protocol.Invalid, "give it "+protocol.FormatSize(int64(t.Memory.Recommended))+", which is recommended, or at least "+protocol.FormatSize(int64(t.Memory.Min)),
			"%s of memory is too little for %s", protocol.FormatSize(memory), t.Name)
	}
	if memory > maxMemory || in.CPUMillis > maxCPUMillis || in.DiskBytes > maxDisk {
		return protocol.Spec{}, protocol.Faultf(protocol.Invalid, "give less", "no node is that large: at most %s of memory, %d cores and %s of disk",
			protocol.FormatSize(maxMemory), maxCPUMillis/1000, protocol.FormatSize(maxDisk))
	}
	if in.CPUMillis < 0 || in.DiskBytes < 0 {
		return protocol.Spec{}, protocol.Faultf(protocol.Invalid, "give positive numbers or leave them out", "CPU and disk cannot be negative")
	}
	if err := t.checkWishes(version, in.Env); err != nil {
		return protocol.Spec{}, err
	}
	console := t.Console
	if t.TPSSince != "" && compareVersions(version, t.TPSSince) < 0 {
		console.TPS = ""
	}
	return protocol.Spec{
		Template: t.Name, Version: version,
		Image:     strings.ReplaceAll(t.Image, "{java}", t.javaTag(version)),
		BuildHint: t.BuildHint,
		Env:       t.environment(version, memory, in.Env),
		DataDir:   t.DataDir, GamePort: t.GamePort,
		MemoryBytes: memory,
		CPUMillis:   orDefault(in.CPUMillis, t.CPUMillis),
		DiskBytes:   orDefault(in.DiskBytes, int64(t.Disk)),
		Ready:       t.Ready, Stop: t.stopRule(), Console: console, Restart: t.Restart, Profile: t.Profile,
	}, nil
}

func orDefault(n, fallback int64) int64 {
	if n == 0 {
		return fallback
	}
	return n
}

// stopRule copies the list in it: specs are kept and must not share the catalogue's memory.
func (t Template) stopRule() protocol.StopRule {
	s := t.Stop
	s.Flush = slices.Clone(s.Flush)
	return s
}

// environment is the template's own part over the owner's wishes over the defaults.
func (t Template) environment(version string, memory int64, wishes map[string]string) map[string]string {
	env := map[string]string{}
	for _, o := range t.Env {
		if o.Default != "" && (o.Since == "" || compareVersions(version, o.Since) >= 0) {
			env[o.Name] = o.Default
		}
	}
	maps.Copy(env, wishes)
	maps.Copy(env, t.Fixed)
	env["VERSION"] = version
	if t.HeapEnv != "" {
		env[t.HeapEnv] = heapText(heap(memory))
	}
	return env
}

func (t Template) unknownVersion(version string) error {
	next := "choose one of " + strings.Join(t.Versions[:min(len(t.Versions), 8)], ", ")
	if len(t.Versions) > 8 {
		next += " … (controller template list -o yaml shows all)"
	}
	if near := nearest(version, t.Versions); len(near) > 0 {
		next = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return protocol.Faultf(protocol.Invalid, next, "the template %s has no version %s", t.Name, shorten(version))
}
