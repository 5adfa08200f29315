package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/payperplay/payperplay/controller/api/client"
)

type object = map[string]any

var pathParam = regexp.MustCompile(`:(\w+)`)

// document makes the OpenAPI 3.0.3 document from the route table and the types that travel: it cannot disagree with the code.
func document(routes []route, version string) ([]byte, error) {
	s := schemas{made: object{}}
	problem := s.of(reflect.TypeFor[client.Problem]())
	paths := object{}
	for _, r := range routes {
		path := pathParam.ReplaceAllString(r.Path, "{$1}")
		item, _ := paths[path].(object)
		if item == nil {
			item = object{}
			paths[path] = item
		}
		item[strings.ToLower(r.Method)] = s.operation(r, problem)
	}
	doc := object{
		"openapi": "3.0.3",
		"info": object{"title": "PayPerPlay", "version": version,
			"description": "Everything the web UI and the CLI do goes through this API. Errors are RFC 9457 problems with a code, what happened, and the next step."},
		"paths":    paths,
		"security": []object{{"token": []string{}}, {"session": []string{}}},
		"components": object{
			"schemas": s.made,
			"securitySchemes": object{
				"token":   object{"type": "http", "scheme": "bearer"},
				"session": object{"type": "apiKey", "in": "cookie", "name": cookieName},
			},
		},
	}
	b, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		return nil, fmt.Errorf("openapi: %w", err)
	}
	return append(b, '\n'), nil
}

type schemas struct{ made object }

func (s schemas) operation(r route, problem object) object {
	var params []object
	for _, m := range pathParam.FindAllStringSubmatch(r.Path, -1) {
		params = append(params, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	add := func(in string, list []param) {
		for _, p := range list {
			params = append(params, object{"name": p.Name, "in": in, "description": p.Help, "schema": object{"type": p.Kind}})
		}
	}
	add("query", r.Query)
	add("header", r.Header)
	op := object{
		"summary": r.Summary, "operationId": operationID(r), "tags": []string{r.Tag},
		"responses":    object{strconv.Itoa(r.status()): s.answer(r), "default": object{"description": "What happened, why, and what to do next.", "content": object{"application/problem+json": object{"schema": problem}}}},
		"x-permission": string(r.Permission),
	}
	if len(params) > 0 {
		op["parameters"] = params
	}
	if r.Permission == Public {
		op["security"] = []object{}
	}
	if r.Request != nil {
		op["requestBody"] = object{"content": object{"application/json": object{"schema": s.of(reflect.TypeOf(r.Request))}}}
	}
	return op
}

func (r route) status() int {
	switch {
	case r.Socket:
		return http.StatusSwitchingProtocols
	case r.Status != 0:
		return r.Status
	default:
		return http.StatusOK
	}
}

func (s schemas) answer(r route) object {
	out := object{"description": http.StatusText(r.status())}
	switch {
	case r.Socket:
		s.of(reflect.TypeOf(r.Response)) // listed among the schemas, though no HTTP body has it
		out["description"] = "A websocket whose text messages are " + typeName(reflect.TypeOf(r.Response))
	case r.Media != "":
		out["content"] = object{r.Media: object{"schema": object{"type": "string"}}}
	case r.Response != nil:
		out["content"] = object{"application/json": object{"schema": s.of(reflect.TypeOf(r.Response))}}
	}
	return out
}

func operationID(r route) string {
	words := strings.FieldsFunc(strings.TrimPrefix(r.Path, "/api"), func(c rune) bool { return c == '/' || c == ':' || c == '-' || c == '.' })
	var id strings.Builder
	id.WriteString(strings.ToLower(r.Method))
	for _, w := range words {
		id.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	return id.String()
}

// typeName names a schema: Page[client.Server] is PageServer.
func typeName(t reflect.Type) string {
	name := t.Name()
	if head, arg, ok := strings.Cut(name, "["); ok {
		arg = strings.TrimSuffix(arg, "]")
		name = head + arg[strings.LastIndex(arg, ".")+1:]
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// of gives the schema of a type; structs become references to named schemas.
func (s schemas) of(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		inner := s.of(t.Elem())
		if _, isRef := inner["$ref"]; isRef {
			return object{"allOf": []object{inner}, "nullable": true}
		}
		inner["nullable"] = true
		return inner
	}
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64, reflect.Int32:
		return object{"type": "integer", "format": "int64"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		return s.structure(t)
	default:
		return object{"nullable": true} // anything, also nothing
	}
}

func (s schemas) structure(t reflect.Type) object {
	name := typeName(t)
	ref := object{"$ref": "#/components/schemas/" + name}
	if _, made := s.made[name]; made {
		return ref
	}
	s.made[name] = object{} // a type may hold itself
	props, required := object{}, []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		key, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		if key == "-" || !f.IsExported() {
			continue
		}
		props[key] = s.of(f.Type)
		if !strings.Contains(rest, "omit") {
			required = append(required, key)
		}
	}
	schema := object{"type": "object", "properties": props}
	if len(required) > 0 {
		schema["required"] = required
	}
	s.made[name] = schema
	return ref
}

func (a *API) openapi(c echo.Context, _ Actor) error {
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, a.doc)
}

// docs is a page of the web bundle: nothing of it comes from a CDN.
func (a *API) docs(c echo.Context, _ Actor) error {
	if a.Docs == nil {
		return c.Redirect(http.StatusFound, "/api/openapi.json")
	}
	c.Response().Header().Del("Content-Security-Policy") // the page brings its own
	a.Docs.ServeHTTP(c.Response(), c.Request())
	return nil
}
