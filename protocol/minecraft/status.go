package minecraft

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Status is what a server says about itself in the server list.
type Status struct {
	Version     string        // name the server shows, "Paper 1.21.4"
	Protocol    int32         // protocol number the server speaks
	Online, Max int           // players
	Sample      []string      // names of some players; servers may leave it out or fill it with jokes
	Description string        // MOTD as plain text, formatting removed
	Favicon     string        // data URL, empty if none
	Latency     time.Duration // of the ping packet, zero if the server did not answer it; set by Ping
}

type statusJSON struct {
	Version struct {
		Name     string `json:"name"`
		Protocol int32  `json:"protocol"`
	} `json:"version"`
	Players *struct {
		Max    int `json:"max"`
		Online int `json:"online"`
		Sample []struct {
			Name string `json:"name"`
			ID   string `json:"id"`
		} `json:"sample,omitempty"`
	} `json:"players,omitempty"`
	Description json.RawMessage `json:"description,omitempty"`
	Favicon     string          `json:"favicon,omitempty"`
}

// ParseStatus reads a status response. A server that hides its players counts as -1 of -1: unknown is not empty.
func ParseStatus(p Packet) (Status, error) {
	if p.ID != IDStatusResponse {
		return Status{}, fmt.Errorf("%w: packet %#x where a status was expected", ErrMalformed, p.ID)
	}
	d := NewDecoder(p.Data)
	text := d.String(MaxStatus)
	if d.Err() != nil {
		return Status{}, d.Err()
	}
	var j statusJSON
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return Status{}, fmt.Errorf("%w: status is not the JSON of one: %v", ErrMalformed, err)
	}
	s := Status{Version: j.Version.Name, Protocol: j.Version.Protocol, Online: -1, Max: -1,
		Description: plainText(j.Description, 0), Favicon: j.Favicon}
	if j.Players != nil {
		s.Online, s.Max = j.Players.Online, j.Players.Max
		for _, one := range j.Players.Sample {
			s.Sample = append(s.Sample, one.Name)
		}
	}
	return s, nil
}

// AppendResponse appends the status as a framed response packet; Latency and ids of the sample are not part of it.
func (s Status) AppendResponse(dst []byte) ([]byte, error) {
	var j statusJSON
	j.Version.Name, j.Version.Protocol, j.Favicon = s.Version, s.Protocol, s.Favicon
	j.Description = json.RawMessage(TextJSON(s.Description))
	if s.Online >= 0 {
		j.Players = &struct {
			Max    int `json:"max"`
			Online int `json:"online"`
			Sample []struct {
				Name string `json:"name"`
				ID   string `json:"id"`
			} `json:"sample,omitempty"`
		}{Max: s.Max, Online: s.Online}
	}
	text, err := json.Marshal(j)
	if err != nil {
		return dst, err
	}
	return AppendPacket(dst, IDStatusResponse, AppendString(nil, string(text))), nil
}

const maxTextDepth = 16

// plainText flattens a chat component (string, object with "text" and "extra", or list) and drops § codes.
func plainText(raw json.RawMessage, depth int) string {
	if len(raw) == 0 || depth > maxTextDepth {
		return ""
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return dropCodes(text)
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil {
		var b strings.Builder
		for _, part := range list {
			b.WriteString(plainText(part, depth+1))
		}
		return b.String()
	}
	var object struct {
		Text      string          `json:"text"`
		Translate string          `json:"translate"`
		Extra     json.RawMessage `json:"extra"`
	}
	if json.Unmarshal(raw, &object) != nil {
		return ""
	}
	return dropCodes(object.Text+object.Translate) + plainText(object.Extra, depth+1)
}

func dropCodes(s string) string {
	if !strings.ContainsRune(s, '§') {
		return s
	}
	var b strings.Builder
	skip := false
	for _, r := range s {
		switch {
		case skip:
			skip = false
		case r == '§':
			skip = true
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
