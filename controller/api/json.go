package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/payperplay/payperplay/controller/fault"
)

func jsonDecoder(r io.Reader) *json.Decoder {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	return dec
}

// jsonMistake says a decoding error without Go's words.
func jsonMistake(err error) string {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind) && kind.Field == "":
		return "it must be a JSON object, not a " + kind.Value
	case errors.As(err, &kind):
		return fmt.Sprintf("%q must not be a %s", kind.Field, kind.Value)
	case errors.As(err, &syntax):
		return fmt.Sprintf("it is no JSON (at byte %d)", syntax.Offset)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends in the middle"
	default:
		return strings.TrimPrefix(err.Error(), "json: ")
	}
}

// intQuery reads a number from the query string; absent = def.
func intQuery(c echo.Context, name string, def, lowest, most int64) (int64, error) {
	text := c.QueryParam(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < lowest || n > most {
		return 0, fault.New(fault.Invalid, fmt.Sprintf("%s=%q is not a number from %d to %d", name, text, lowest, most), "see /api/docs")
	}
	return n, nil
}

func timeQuery(c echo.Context, name string) (time.Time, error) {
	text := c.QueryParam(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, fault.New(fault.Invalid, fmt.Sprintf("%s=%q is not a time", name, text), "write it as 2026-11-21T18:00:00Z")
	}
	return t, nil
}

func boolQuery(c echo.Context, name string) bool {
	v, given := c.QueryParams()[name]
	return given && (v[0] == "" || v[0] == "1" || v[0] == "true")
}
