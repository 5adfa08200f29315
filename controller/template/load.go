package template

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/payperplay/payperplay/protocol"
)

//go:embed templates/server-templates.json
var builtin []byte

const maxFile = 4 << 20

// Load reads the catalogue from a file, or the one built into the program if path is empty.
func Load(path string) (*Catalogue, error) {
	if path == "" {
		return Parse("built-in catalogue", builtin)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, protocol.Faultf(protocol.Invalid, "check --templates", "the template catalogue cannot be read: %v", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, protocol.Faultf(protocol.Invalid, "check --templates", "the template catalogue %s cannot be read: %v", path, err)
	}
	if len(data) > maxFile {
		return nil, protocol.Faultf(protocol.Invalid, "check --templates", "the template catalogue %s is over %s", path, protocol.FormatSize(maxFile))
	}
	return Parse(path, data)
}

// Parse reads and checks a catalogue; name stands for it in errors. Unknown fields are refused: a mistyped rule would
// otherwise be silently missing.
func Parse(name string, data []byte) (*Catalogue, error) {
	var file struct {
		Templates []Template `json:"templates"`
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(&file)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is text behind the catalogue")
		}
	}
	if err != nil {
		return nil, refuse(name, fmt.Sprintf("line %d: %v", line(data, err, d.InputOffset()), err))
	}
	c := &Catalogue{list: file.Templates, byName: make(map[string]int, len(file.Templates))}
	if len(c.list) == 0 {
		return nil, refuse(name, "it has no templates")
	}
	for i := range c.list {
		t := &c.list[i]
		if _, twice := c.byName[t.Name]; twice {
			return nil, refuse(name, fmt.Sprintf("template %q is there twice", t.Name))
		}
		if err := t.check(); err != nil {
			return nil, refuse(name, fmt.Sprintf("template %q: %v", t.Name, err))
		}
		c.byName[t.Name] = i
	}
	return c, nil
}

func refuse(name, why string) error {
	return protocol.Faultf(protocol.Invalid, "compare it with controller/template/templates/server-templates.json", "the template catalogue %s is not usable: %s", name, why)
}

// line is where in the file the decoder stumbled.
func line(data []byte, err error, offset int64) int {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	}
	return 1 + bytes.Count(data[:min(max(offset, 0), int64(len(data)))], []byte("\n"))
}
