package fences

import "strings"

// only says that an import belongs to some rooms alone. Tests are held to it too, unless FreeTests.
type only struct {
	Import    string // import path, ours without the module
	Rooms     []string
	FreeTests bool
	Why       string
}

// names tells whether the rule is about an import: a package of the standard library alone, a module with all below it.
func (o only) names(imported string) bool {
	if strings.Contains(strings.SplitN(o.Import, "/", 2)[0], ".") {
		return within(imported, o.Import)
	}
	return imported == o.Import
}

func (o only) who() string {
	if len(o.Rooms) == 0 {
		return "nobody"
	}
	return strings.Join(o.Rooms, ", ")
}

func (o only) imports(p Package) []string {
	list := p.Imports
	if !o.FreeTests {
		list = append(append([]string{}, list...), p.testImports()...)
	}
	return list
}

var onlyIn = []only{
	{Import: "github.com/labstack/echo", Rooms: []string{"controller/api"},
		Why: "the web framework must be replaceable in one room"},
	{Import: "github.com/jackc/pgx", Rooms: []string{"controller/store/postgres"},
		Why: "a room is written once against store.Tx, never twice"},
	{Import: "go.etcd.io/bbolt", Rooms: []string{"controller/store/bolt", "agent/state"}, FreeTests: true,
		Why: "bbolt has no data checksums: all access goes through the two rooms that add them"},
	{Import: "github.com/docker/docker", Rooms: []string{"agent/docker"},
		Why: "the client's module is frozen; the swap must be one room, and nobody else may build a HostConfig"},
	{Import: "github.com/docker/go-connections", Rooms: []string{"agent/docker"},
		Why: "it is part of the Docker client"},
	{Import: "github.com/moby", Rooms: []string{"agent/docker"},
		Why: "it is part of the Docker client"},
	{Import: "github.com/hetznercloud/hcloud-go", Rooms: []string{"controller/cloud/hetzner"}, FreeTests: true,
		Why: "hcloud.Server never leaves the driver; rooms know cloud.Machine"},
	{Import: "github.com/hashicorp/yamux", Rooms: []string{"protocol/rpc"}, FreeTests: true,
		Why: "its defaults hang a stream for ever after a stalled write (GO-2025-3408); the tuned session is made in one place"},
	{Import: "github.com/gorcon/rcon", Rooms: []string{"agent/console"}, FreeTests: true,
		Why: "RCON passwords stay with the agent's console"},
	{Import: "github.com/coder/websocket", Rooms: []string{"controller/api"}, FreeTests: true,
		Why: "browsers and the CLI reach us through the API room only"},
	{Import: "github.com/spf13/cobra", Rooms: []string{"cmd"}, FreeTests: true,
		Why: "flags end in cmd; rooms get Options"},
	{Import: "golang.org/x/term", Rooms: []string{"cmd"},
		Why: "only a command has a terminal"},
	{Import: "github.com/Tnze/go-mc", Rooms: []string{"agent/edge", "scripts/images", "protocol/minecraft"}, FreeTests: true,
		Why: "its server and bot packages are frozen at protocol 762; only its wire layer may be used, and only where packets are"},
	{Import: "text/template", Rooms: []string{"cloudinit"},
		Why: "no user's text may reach a template language (reliability.md S09)"},
	{Import: "html/template", Rooms: []string{"controller/notify"},
		Why: "no user's text may reach a template language (reliability.md S09); pages are built by the browser"},
	{Import: "plugin", Rooms: []string{}, Why: "no code is loaded at run time"},
	{Import: "net/http/pprof", Rooms: []string{}, Why: "importing it registers handlers on the default mux"},
	{Import: "expvar", Rooms: []string{}, Why: "importing it registers handlers on the default mux; metrics go to the Registerer passed in"},
	{Import: "math/rand", Rooms: []string{}, Why: "use math/rand/v2, and crypto/rand for anything that must not be guessed"},
	{Import: "log", Rooms: []string{}, FreeTests: true, Why: "slog is passed in (log/slog)"},
	{Import: "testing", Rooms: []string{"agent/docker/dockertest", "controller/store/storetest", "controller/store/postgres/postgrestest", "controller/cloud/cloudtest", "protocol/failpoint/killtest", "scripts"}, FreeTests: true,
		Why: "only conformance suites are tests that live outside _test.go files"},
	{Import: "github.com/stretchr/testify", Rooms: []string{}, Why: "go-cmp and plain ifs say more"},
}

// ban says that a room must not reach another one of ours. Tests are free: they run rooms against the real other side.
type ban struct {
	Room   string
	Import string
	Except []string
	Why    string
}

var never = []ban{
	{Room: "agent", Import: "controller", Why: "the two sides share protocol and nothing else; an agent is on a machine that customers' code runs on"},
	{Room: "controller", Import: "agent", Why: "the two sides share protocol and nothing else"},
	{Room: "protocol", Import: "agent", Why: "protocol is what both sides stand on"},
	{Room: "protocol", Import: "controller", Why: "protocol is what both sides stand on"},
	{Room: "protocol", Import: "web", Why: "protocol is what both sides stand on"},
	{Room: "agent", Import: "web", Why: "an agent serves no pages"},
	{Room: "web", Import: "controller", Why: "web is files and a handler; the API is what it talks to"},
	{Room: "web", Import: "protocol", Why: "web is files and a handler; the API is what it talks to"},
	{Room: "cmd/agent", Import: "controller", Why: "the agent's binary is for other people's machines"},
	{Room: "controller/api/client", Import: "controller", Why: "the client is the outside view: DTOs and HTTP, no rooms"},
	{Room: "controller", Import: "cmd", Why: "commands are on top"},
	{Room: "agent", Import: "cmd", Why: "commands are on top"},
	{Room: "agent", Import: "scripts", Why: "products do not depend on development tools"},
	{Room: "controller", Import: "scripts", Why: "products do not depend on development tools"},
	{Room: "protocol", Import: "scripts", Why: "products do not depend on development tools"},
}

type unlinked struct{ Binary, Import, Why string }

var notLinked = []unlinked{
	{"cmd/agent", "github.com/jackc/pgx", "the agent has no database; every driver is weight and attack surface on each node"},
	{"cmd/agent", "github.com/labstack/echo", "the agent exposes no web API"},
	{"cmd/agent", "github.com/hetznercloud/hcloud-go", "an agent never talks to the cloud: the token stays in the controller"},
	{"cmd/agent", "controller", "the two sides share protocol and nothing else"},
	{"cmd/agent", "web", "an agent serves no pages"},
	{"cmd/agent", "net/http/pprof", "a debug port on a node is a door"},
	{"cmd/agent", "testing", "test code does not ship"},
	{"cmd/controller", "github.com/docker/docker", "the controller reaches containers through the tunnel only"},
	{"cmd/controller", "agent", "the two sides share protocol and nothing else"},
	{"cmd/controller", "net/http/pprof", "a debug port must be a decision"},
	// testing is linked into cmd/controller by hcloud-go itself (hcloud/testing.go); that none of ours does is what onlyIn says.
}

// light packages stay usable by anybody for nothing.
type light struct {
	Rooms []string
	Why   string
}

var stdOnly = []light{
	{Rooms: []string{"protocol", "protocol/failpoint", "protocol/plant", "protocol/minecraft", "web"}, Why: "it is linked into everything and needs the standard library only"},
}

// levels of the controller's rooms: a room imports only rooms of lower levels. Sub-packages have their room's level.
var levels = map[string]int{
	"fault": 0, "loop": 0, "template": 0, "api/client": 0,
	"store":     1,
	"event":     2,
	"fleet":     3,
	"account":   4,
	"placement": 4, "cloud": 4,
	"auth":   5,
	"tunnel": 5, "monitor": 5, "schedule": 5, "notify": 5, "plugin": 5,
	"console": 6, "lifecycle": 6, "provision": 6, "billing": 6, "upkeep": 6,
	"backup": 7, "edge": 7, "payment": 7,
	"migrate": 8, "recover": 8,
	"autoscale": 9,
	"api":       10,
}
