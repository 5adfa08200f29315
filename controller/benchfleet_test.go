package controller_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/payperplay/payperplay/controller"
	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/open"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/rpc"
)

const (
	fleetNodes   = 1000
	fleetServers = 10_000
	gib          = 1 << 30
)

// bigFleet is a data directory with 1,000 nodes and 10,000 servers, and what is needed to be their agents.
type bigFleet struct {
	dir     string
	store   string            // address
	key     *ecdsa.PrivateKey // of all nodes
	certs   [][]byte
	roots   *x509.CertPool
	cluster string
}

// newBigFleet writes the directory and the store, which is in the directory where no address is given; it takes a few seconds.
func newBigFleet(b *testing.B, address string) *bigFleet {
	b.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(b, err)
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	must(b, err)
	f := &bigFleet{dir: b.TempDir(), store: address, key: key, roots: x509.NewCertPool()}
	if address == "" {
		f.store = controller.StorePath(f.dir)
	}
	db, err := open.Open(b.Context(), f.store, open.Options{Tables: slices.Concat(fleet.Tables(), event.Tables(), tunnel.Tables())})
	must(b, err)
	events, err := event.New(event.Options{DB: db})
	must(b, err)
	now := time.Now().UTC()
	const chunk = fleetNodes / 20
	for first := 0; first < fleetNodes; first += chunk {
		must(b, db.Update(b.Context(), func(tx store.Tx) error {
			for i := first; i < first+chunk; i++ {
				if err := fleet.Nodes.Put(tx, bigNode(i, spki, now)); err != nil {
					return err
				}
				for j := range fleetServers / fleetNodes {
					if err := putServer(tx, events, i, j, now); err != nil {
						return err
					}
				}
			}
			return nil
		}))
	}
	f.cluster = db.ClusterID()
	_, err = tunnel.OpenAuthority(filepath.Join(f.dir, "ca"), f.cluster, nil)
	must(b, err)
	must(b, db.Close())
	f.issue(b)
	return f
}

func nodeID(i int) string { return fmt.Sprintf("node_%04d", i) }

func bigNode(i int, spki []byte, now time.Time) fleet.Node {
	return fleet.Node{
		ID: nodeID(i), Name: fmt.Sprintf("n%04d", i), Owner: "operator", Class: fleet.Local, Facts: bigFacts(i), BoundKey: spki, Generation: 1,
		LastSeen: now, InventoryHash: "same", JoinedAt: now, JoinedBy: "operator", UpdatedAt: now, Health: fleet.Health{At: now, OK: true},
	}
}

func bigFacts(i int) protocol.NodeFacts {
	return protocol.NodeFacts{
		Name: fmt.Sprintf("n%04d", i), Hostname: fmt.Sprintf("host-%d", i), MachineID: fmt.Sprintf("machine-%d", i), Boot: "boot", Arch: "amd64", OS: "Debian GNU/Linux 12 (bookworm)",
		Kernel: "6.1.0-18-amd64", AgentVersion: "bench", Protocol: protocol.Version, Roles: []string{"worker"}, Addresses: []string{"192.0.2.7"}, CPUs: 16,
		MemoryBytes: 64 * gib, DiskBytes: 1 << 40, PortFrom: 25500, PortTo: 26499, Docker: "28.0.1", BridgePool: "10.213.0.0/16",
	}
}

// putServer writes server j of node i with its booking: nine of ten run, one is stopped.
func putServer(tx store.Tx, events *event.Log, i, j int, now time.Time) error {
	id, name := fmt.Sprintf("srv_%04d%d", i, j), fmt.Sprintf("s%04d-%d", i, j)
	address := fmt.Sprintf("192.0.2.7:%d", 25500+j)
	env := map[string]string{"EULA": "TRUE", "TYPE": "PAPER", "MOTD": "A server of 10,000", "DIFFICULTY": "hard"}
	s := fleet.Server{
		ID: id, Name: name, Owner: fmt.Sprintf("user_%d", i%100), Template: "paper", Version: "1.21.4", Env: env, MemoryBytes: 4 * gib, DiskBytes: 10 * gib,
		Spec: protocol.Spec{Server: id, Name: name, Owner: "user", Revision: 1, Template: "paper", Version: "1.21.4", Image: "itzg/minecraft-server:java21", Env: env, DataDir: "/data",
			GamePort: 25565, HostPort: 25500 + j, MemoryBytes: 4 * gib, DiskBytes: 10 * gib, Stop: protocol.StopRule{Announce: "say %d", Flush: []string{"save-all flush"}, Command: "stop"}},
		Revision: 1, Desired: fleet.Running, DesiredBy: "operator", DesiredAt: now, Node: nodeID(i), Epoch: 1, RanEpoch: 1, Ordered: true, Boot: "boot", Address: address,
		Observed: protocol.Observed{Server: id, Epoch: 1, Revision: 1, State: protocol.StateRunning, Since: now, Container: strings.Repeat("c", 64), Started: now, Ready: now,
			MemoryBytes: 4 * gib, Address: address, Runtime: "Paper 1.21.4"},
		ObservedAt: now, ObservedSeq: 3, CreatedAt: now, CreatedBy: "operator", UpdatedAt: now, UpdatedBy: "operator",
	}
	if j == 0 {
		s.Desired, s.Observed.State, s.Observed.Container = fleet.Stopped, protocol.StateStopped, ""
	}
	if err := fleet.Servers.Put(tx, s); err != nil {
		return err
	}
	if _, err := events.Append(tx, event.Event{Type: "server.created", Server: id, Node: s.Node, Actor: "operator", Data: event.JSON(map[string]any{"name": name})}); err != nil {
		return err
	}
	return fleet.Bookings.Put(tx, fleet.Booking{Server: id, Node: s.Node, MemoryBytes: s.MemoryBytes, DiskBytes: s.DiskBytes, Port: 25500 + j, BookedAt: now, Runs: j != 0, Confirmed: j != 0})
}

// issue makes the nodes' certificates with the key that is in the directory, as the controller would.
func (f *bigFleet) issue(b *testing.B) {
	b.Helper()
	ca, err := x509.ParseCertificate(readPEM(b, filepath.Join(f.dir, "ca", "ca-*.crt")))
	must(b, err)
	signer, err := x509.ParsePKCS8PrivateKey(readPEM(b, filepath.Join(f.dir, "ca", "ca-*.key")))
	must(b, err)
	f.roots.AddCert(ca)
	for i := range fleetNodes {
		cert, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: nodeID(i)}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(24 * time.Hour),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
			URIs: []*url.URL{{Scheme: "spiffe", Host: f.cluster, Path: "/node/" + nodeID(i)}},
		}, ca, f.key.Public(), signer.(crypto.Signer))
		must(b, err)
		f.certs = append(f.certs, cert)
	}
}

func readPEM(b *testing.B, pattern string) []byte {
	b.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) != 1 {
		b.Fatalf("%s: %v %v", pattern, files, err)
	}
	text, err := os.ReadFile(files[0])
	must(b, err)
	block, _ := pem.Decode(text)
	return block.Bytes
}

// connect makes all agents: a session each, a hello, and answers to what the controller asks.
func (f *bigFleet) connect(b *testing.B, addr string) (hangUp func()) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	watch := rpc.NewWatch(0)
	var g, serving errgroup.Group
	g.SetLimit(64)
	for i := range f.certs {
		g.Go(func() error {
			raw, err := net.Dial("tcp", addr)
			if err != nil {
				return err
			}
			conn := tls.Client(rpc.Wire(raw), rpc.TuneTLS(&tls.Config{RootCAs: f.roots, ServerName: f.cluster, NextProtos: []string{protocol.ALPNControl},
				Certificates: []tls.Certificate{{Certificate: [][]byte{f.certs[i]}, PrivateKey: f.key}}}))
			if err := conn.Handshake(); err != nil {
				return err
			}
			s, err := rpc.NewSession(conn, rpc.Options{Client: true, Heartbeat: rpc.DefaultHeartbeat, Watch: watch})
			if err != nil {
				return err
			}
			mux := rpc.NewMux(nil)
			rpc.ServeHost(mux, newSimulated(i))
			serving.Go(func() error { return s.Serve(ctx, mux) })
			_, err = rpc.NewHome(s).Hello(ctx, protocol.Hello{Facts: bigFacts(i), Run: "bench", Generation: 2, NextSeq: 1, InventoryHash: "same", Now: time.Now()})
			return err
		})
	}
	must(b, g.Wait())
	return func() { cancel(); _ = serving.Wait() }
}

// simulated is an agent with ten servers that are always the same.
type simulated struct{ sample protocol.Sample }

func newSimulated(i int) *simulated {
	s := protocol.Sample{Host: protocol.HostSample{CPUBusy: 0.3, MemoryUsed: 40 * gib, MemoryTotal: 64 * gib, DiskUsed: 100 * gib, DiskTotal: 1 << 40, Load1: 2}}
	for j := 1; j < fleetServers/fleetNodes; j++ {
		s.Servers = append(s.Servers, protocol.ServerSample{Server: fmt.Sprintf("srv_%04d%d", i, j), State: protocol.StateRunning, MemoryBytes: 3 * gib, MemoryLimit: 4 * gib,
			CPUNanos: 1e12, CPUCores: 0.2, Players: 3, PlayersMax: 20, TPS: 20, Started: time.Now().Add(-time.Hour)})
	}
	return &simulated{s}
}

func (s *simulated) Sample(context.Context, protocol.SampleRequest) (protocol.Sample, error) {
	out := s.sample
	out.At = time.Now()
	return out, nil
}

func (*simulated) Check(context.Context, protocol.CheckRequest) (protocol.CheckReply, error) {
	return protocol.CheckReply{OK: true, Docker: "28.0.1"}, nil
}

func (*simulated) OpenBulk(context.Context, protocol.OpenBulkRequest) (protocol.OpenBulkReply, error) {
	return protocol.OpenBulkReply{}, protocol.Faultf(protocol.Unavailable, "", "no bulk here")
}

func (*simulated) Goodbye(context.Context, protocol.GoodbyeRequest) (protocol.GoodbyeReply, error) {
	return protocol.GoodbyeReply{}, nil
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
