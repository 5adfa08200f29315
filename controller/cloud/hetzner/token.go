package hetzner

import (
	"fmt"
	"log/slog"
)

// masked is what is shown in place of a token.
const masked = "***"

// Token opens the project. Whatever prints it, prints ***; Reveal is for the client alone.
type Token string

// Reveal gives the text.
func (t Token) Reveal() string { return string(t) }

// String, Format, LogValue and MarshalText keep the text from logs, errors and files.
func (t Token) String() string { return masked }

// Format is String for every verb.
func (t Token) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(masked)) }

// LogValue is String for slog.
func (t Token) LogValue() slog.Value { return slog.StringValue(masked) }

// MarshalText is String for JSON and YAML.
func (t Token) MarshalText() ([]byte, error) { return []byte(masked), nil }
