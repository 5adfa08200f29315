package template

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	nameForm  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	envForm   = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)
	userForm  = regexp.MustCompile(`^[1-9][0-9]{0,8}:[1-9][0-9]{0,8}$`)
	imageForm = regexp.MustCompile(`^[a-z0-9][a-zA-Z0-9._/:@{}-]{0,254}$`)
	tagForm   = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$`)
)

// reserved are the variables that the agent sets, or that would undo the tenant profile; no catalogue may offer them.
var reserved = []string{"RCON_PASSWORD", "RCON_PASSWORD_FILE", "UID", "GID", "PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "JVM_OPTS",
	"JVM_XX_OPTS", "JVM_DD_OPTS", "EXTRA_ARGS", "NODE_OPTIONS", "EXEC_DIRECTLY", "ENABLE_SSH"}

// check refuses an entry that could not work or that would open a door.
func (t *Template) check() error {
	switch {
	case !nameForm.MatchString(t.Name):
		return errors.New("name must be lower-case letters, digits and dashes, at most 40")
	case t.Title == "" || t.Summary == "" || t.Category == "":
		return errors.New("title, summary and category are needed")
	case !imageForm.MatchString(t.Image):
		return fmt.Errorf("image %q is not an image reference", t.Image)
	case t.GamePort < 1 || t.GamePort > 65535:
		return fmt.Errorf("game_port %d is no port", t.GamePort)
	case !path.IsAbs(t.DataDir) || path.Clean(t.DataDir) != t.DataDir || strings.Count(t.DataDir, "/") != 1 || slices.Contains(systemDirs, t.DataDir):
		return fmt.Errorf("data_dir %q must be a directory of its own below /", t.DataDir)
	case t.Profile.User != "" && !userForm.MatchString(t.Profile.User):
		return fmt.Errorf("profile.user %q must be uid:gid, and not root", t.Profile.User)
	case t.Profile.PidsLimit < 0 || t.Profile.PidsLimit > 4096:
		return fmt.Errorf("profile.pids_limit %d is not between 0 and 4096", t.Profile.PidsLimit)
	case t.CPUMillis < 0 || t.Disk < 0:
		return errors.New("cpu_millis and disk cannot be negative")
	case t.Players.From < 0 || t.Players.To < t.Players.From:
		return errors.New("players must be a range")
	}
	return errors.Join(t.checkMemory(), t.checkVersions(), t.checkRules(), t.checkEnv())
}

var systemDirs = []string{"/", "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var"}

func (t *Template) checkMemory() error {
	m := t.Memory
	if m.Min <= 0 || m.Default < m.Min || m.Recommended < m.Min {
		return errors.New("memory needs min > 0, and default and recommended not below it")
	}
	return nil
}

func (t *Template) checkVersions() error {
	if len(t.Versions) == 0 {
		return errors.New("versions is empty")
	}
	for _, v := range t.Versions {
		if _, err := parseVersion(v); err != nil {
			return err
		}
	}
	if !slices.Contains(t.Versions, t.DefaultVersion) {
		return fmt.Errorf("default_version %q is not among the versions", t.DefaultVersion)
	}
	if strings.Contains(t.Image, "{java}") != (len(t.Java) > 0) {
		return errors.New(`java rules and "{java}" in image go together`)
	}
	for i, rule := range t.Java {
		last := i == len(t.Java)-1
		if !tagForm.MatchString(rule.Tag) || last != (rule.Below == "") {
			return errors.New("each java rule needs a tag, and all but the last a bound")
		}
		if last {
			break
		}
		if _, err := parseVersion(rule.Below); err != nil {
			return err
		}
		if i > 0 && compareVersions(t.Java[i-1].Below, rule.Below) >= 0 {
			return errors.New("java rules must rise")
		}
	}
	if t.TPSSince != "" {
		_, err := parseVersion(t.TPSSince)
		return err
	}
	return nil
}

func (t *Template) checkRules() error {
	switch {
	case t.Ready.TimeoutSeconds < 0 || t.Stop.GraceSeconds < 0 || t.Restart.WindowSeconds < 0:
		return errors.New("seconds cannot be negative")
	case t.Console.RCONPort < 0 || t.Console.RCONPort > 65535 || (t.Console.RCON && t.Console.RCONPort == t.GamePort):
		return fmt.Errorf("console.rcon_port %d is not usable", t.Console.RCONPort)
	case t.Stop.Announce != "" && strings.Count(t.Stop.Announce, "%") != strings.Count(t.Stop.Announce, "%d"):
		return errors.New("stop.announce may hold %d for the seconds and no other %")
	case strings.Count(t.Stop.Announce, "%d") > 1:
		return errors.New("stop.announce may hold one %d")
	}
	if _, err := regexp.Compile(t.Ready.LogPattern); err != nil {
		return fmt.Errorf("ready.log_pattern: %w", err)
	}
	for _, command := range append([]string{t.Stop.Announce, t.Stop.Command, t.Console.SaveOff, t.Console.SaveOn, t.Console.Flush, t.Console.List, t.Console.TPS}, t.Stop.Flush...) {
		if strings.ContainsFunc(command, isControl) {
			return errors.New("console commands are one line each")
		}
	}
	return nil
}

func (t *Template) checkEnv() error {
	seen := map[string]bool{}
	for name, value := range t.Fixed {
		if err := checkEnvName(name, seen); err != nil {
			return err
		}
		if strings.ContainsFunc(value, isControl) {
			return fmt.Errorf("fixed %s holds control characters", name)
		}
	}
	if t.HeapEnv != "" {
		if err := checkEnvName(t.HeapEnv, seen); err != nil {
			return err
		}
	}
	for _, o := range t.Env {
		if err := checkEnvName(o.Name, seen); err != nil {
			return err
		}
		if err := o.check(); err != nil {
			return fmt.Errorf("env %s: %w", o.Name, err)
		}
	}
	return nil
}

func checkEnvName(name string, seen map[string]bool) error {
	switch {
	case !envForm.MatchString(name):
		return fmt.Errorf("%q is not the name of a variable", name)
	case slices.Contains(reserved, name) || strings.HasPrefix(name, "PPP_"):
		return fmt.Errorf("%s is not for catalogues", name)
	case name == "VERSION":
		return errors.New("VERSION is always set, to the version chosen")
	case seen[name]:
		return fmt.Errorf("%s is there twice", name)
	}
	seen[name] = true
	return nil
}

func (o Option) check() error {
	switch o.Kind {
	case Text, Int, Bool, Names, Duration:
	case Enum:
		if len(o.Enum) == 0 {
			return errors.New("enum needs its values")
		}
	default:
		return fmt.Errorf("unknown kind %q", o.Kind)
	}
	if o.Min != nil && o.Max != nil && *o.Min > *o.Max {
		return errors.New("min is over max")
	}
	if _, err := regexp.Compile(o.Pattern); err != nil {
		return err
	}
	if o.Since != "" {
		if _, err := parseVersion(o.Since); err != nil {
			return err
		}
	}
	if o.Help == "" {
		return errors.New("help is needed")
	}
	if o.Default == "" {
		return nil
	}
	if why := o.refuses(o.Default); why != "" {
		return fmt.Errorf("default %s %s", strconv.Quote(o.Default), why)
	}
	return nil
}
