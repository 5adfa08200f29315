package tunnel_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/pem"
	"net/netip"
	"os"
	"testing"

	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/rpc"
)

func pemCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// proof signs what Recover wants to see over one connection's exporter value.
func (s *stranger) proof(exporter []byte) []byte {
	sum := sha256.Sum256(append([]byte("ppp-recover\x00"+s.node+"\x00"), exporter...))
	sig, err := ecdsa.SignASN1(rand.Reader, s.key, sum[:])
	must(s.t, err)
	return sig
}

func (s *stranger) recover() (protocol.JoinReply, error) {
	conn, err := s.dial(protocol.ALPNJoin)
	must(s.t, err)
	defer func() { _ = conn.Close() }()
	state := conn.ConnectionState()
	value, err := state.ExportKeyingMaterial("EXPORTER-payperplay-recover", nil, 32)
	must(s.t, err)
	prove := s.prove
	if prove == nil {
		prove = s.proof
	}
	return rpc.ExchangeClient(context.Background(), conn, protocol.DoorRecover, protocol.RecoverRequest{Node: s.node, CSR: s.csr(), Signature: prove(value)})
}

func openJournal(t testing.TB, dir string) *state.Journal {
	t.Helper()
	j, err := state.Open(state.Options{Dir: dir, Boot: "boot-1", BridgePool: netip.MustParsePrefix("10.213.0.0/16")})
	must(t, err)
	return j
}

func copyDir(from, to string) error { return os.CopyFS(to, os.DirFS(from)) }

func contains(t testing.TB, file, word string) bool {
	t.Helper()
	data, err := os.ReadFile(file)
	must(t, err)
	return bytes.Contains(data, []byte(word))
}
