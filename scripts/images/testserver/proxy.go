package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
)

const proxySignature = "\r\n\r\n\x00\r\nQUIT\n"

var errNoProxyHeader = errors.New("no PROXY v2 header")

// readProxyHeader takes a PROXY v2 header off the front and gives the player's own address; empty for a LOCAL header.
func readProxyHeader(r *bufio.Reader) (string, error) {
	var head [16]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	if string(head[:12]) != proxySignature || head[12]>>4 != 2 {
		return "", errNoProxyHeader
	}
	n := binary.BigEndian.Uint16(head[14:])
	if n > 1024 {
		return "", errNoProxyHeader
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return "", err
	}
	var ip netip.Addr
	var port uint16
	switch {
	case head[12]&0x0f == 0: // LOCAL: a health check of the proxy itself
		return "", nil
	case head[13] == 0x11 && n >= 12:
		ip, port = netip.AddrFrom4([4]byte(body[:4])), binary.BigEndian.Uint16(body[8:])
	case head[13] == 0x21 && n >= 36:
		ip, port = netip.AddrFrom16([16]byte(body[:16])), binary.BigEndian.Uint16(body[32:])
	default:
		return "", errNoProxyHeader
	}
	return net.JoinHostPort(ip.String(), strconv.Itoa(int(port))), nil
}
