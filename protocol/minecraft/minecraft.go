// Package minecraft speaks the part of the Minecraft Java protocol that every version shares: framing, handshake,
// server-list ping and the first login packet. The agent asks a game with Ping whether it is ready; the edge reads a
// player's first packets with it. It parses bytes from strangers, so every length has a limit and nothing here panics.
//
// Sources: minecraft.wiki "Java Edition protocol", "Server List Ping".
package minecraft

import "errors"

// Limits of what is accepted from the network, in bytes.
const (
	MaxHandshake = 2048     // id + version + address (255 characters of ≤ 4 bytes, with a proxy's forwarding suffix) + port + intent
	MaxLogin     = 4096     // 1.19 carries a public key and a signature behind the name
	MaxStatus    = 64 << 10 // one status reply with its favicon
	maxAddress   = 255 * 4
	maxName      = 16 // characters of a player's name
)

// Packet ids of the handshake, status and login states; these have not changed since 1.7.
const (
	IDHandshake      = 0x00
	IDStatusRequest  = 0x00
	IDStatusResponse = 0x00
	IDPing           = 0x01
	IDPong           = 0x01
	IDLoginStart     = 0x00
	IDLoginKick      = 0x00 // clientbound Disconnect in the login state
)

// Intent is what the client wants next, the last field of its handshake.
type Intent int32

// The intents of the protocol. Transfer exists since 1.20.5.
const (
	IntentStatus   Intent = 1
	IntentLogin    Intent = 2
	IntentTransfer Intent = 3
)

var (
	// ErrMalformed means that the bytes are not the packet that was expected; the peer is not a Minecraft program or lies.
	ErrMalformed = errors.New("malformed minecraft packet")
	// ErrTooLarge means that a length field asks for more than the limit of its kind.
	ErrTooLarge = errors.New("minecraft packet over its size limit")
)
