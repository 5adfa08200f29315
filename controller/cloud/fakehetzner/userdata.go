package fakehetzner

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// userData is what a process machine takes from user-data: the files. It runs none of the commands, for they are meant for a machine of
// their own; what they do beside installing packages and units (fetching the agent, starting it) is done in Go.
type userData struct {
	files []dataFile
}

type dataFile struct {
	path   string
	mode   os.FileMode
	text   []byte
	append bool
}

// maxDataFile bounds what a compressed file may unfold to.
const maxDataFile = 16 << 20

// parseUserData reads #cloud-config. Keys that it does not follow are let pass.
func parseUserData(text []byte) (userData, error) {
	if !bytes.HasPrefix(text, []byte("#cloud-config")) {
		return userData{}, errors.New("user-data does not begin with #cloud-config")
	}
	var in struct {
		Files []struct {
			Path        string `yaml:"path"`
			Content     string `yaml:"content"`
			Encoding    string `yaml:"encoding"`
			Permissions string `yaml:"permissions"`
			Append      bool   `yaml:"append"`
		} `yaml:"write_files"`
	}
	if err := yaml.Unmarshal(text, &in); err != nil {
		return userData{}, fmt.Errorf("user-data: %w", err)
	}
	var u userData
	for _, f := range in.Files {
		content, err := decodeFile(f.Encoding, f.Content)
		if err != nil {
			return userData{}, fmt.Errorf("user-data: %s: %w", f.Path, err)
		}
		mode := os.FileMode(0o644)
		if f.Permissions != "" {
			n, err := strconv.ParseUint(strings.TrimPrefix(f.Permissions, "0o"), 8, 32)
			if err != nil {
				return userData{}, fmt.Errorf("user-data: %s has the permissions %q", f.Path, f.Permissions)
			}
			mode = os.FileMode(n) & os.ModePerm
		}
		u.files = append(u.files, dataFile{path: f.Path, mode: mode, text: content, append: f.Append})
	}
	return u, nil
}

func decodeFile(encoding, content string) ([]byte, error) {
	raw := []byte(content)
	switch encoding {
	case "", "text/plain":
		return raw, nil
	case "b64", "base64", "gz+b64", "gz+base64", "gzip+b64", "gzip+base64":
		var err error
		if raw, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(content), "")); err != nil {
			return nil, err
		}
	case "gz", "gzip":
	default:
		return nil, fmt.Errorf("the encoding %q is not known", encoding)
	}
	if !strings.HasPrefix(encoding, "gz") {
		return raw, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(z, maxDataFile))
}

// write puts the files below a root. None can leave it.
func (u userData) write(root *os.Root) error {
	for _, f := range u.files {
		name := strings.TrimPrefix(path.Clean("/"+f.path), "/")
		if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
		if f.append {
			flags = os.O_WRONLY | os.O_CREATE | os.O_APPEND
		}
		file, err := root.OpenFile(name, flags, f.mode)
		if err != nil {
			return err
		}
		_, err = file.Write(f.text)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	return nil
}

// variable finds NAME=value in the files that user-data writes: environment files of systemd.
func (u userData) variable(name string) (string, bool) {
	for _, f := range u.files {
		for line := range strings.Lines(string(f.text)) {
			if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
				return unquote(v), true
			}
		}
	}
	return "", false
}

func unquote(v string) string {
	if n := len(v); n >= 2 && (v[0] == '"' || v[0] == '\'') && v[n-1] == v[0] {
		return v[1 : n-1]
	}
	return v
}

// agentsFile is the table that user-data writes: architecture, SHA-256 and URL of each agent (package cloudinit).
const agentsFile = "/etc/payperplay/agents"

// download tells where the agent is fetched from and what its SHA-256 is, if user-data has one for an architecture.
func (u userData) download(arch string) (url, sum string, ok bool) {
	for _, f := range u.files {
		if f.path != agentsFile {
			continue
		}
		for line := range strings.Lines(string(f.text)) {
			if w := strings.Fields(line); len(w) == 3 && w[0] == arch {
				return w[2], w[1], true
			}
		}
	}
	return "", "", false
}
