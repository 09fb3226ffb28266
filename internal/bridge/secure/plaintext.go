package secure

import "encoding/binary"

// Content types of DTLS records (RFC 5246 §6.2.1) and the header's size
// (RFC 6347 §4.1).
const (
	contentChangeCipherSpec = 20
	contentAlert            = 21
	contentHandshake        = 22
	contentApplicationData  = 23
	recordHeader            = 13
)

// harmless reports whether an established session may look at a datagram.
// Nobody has authenticated its epoch 0 records: after the handshake the only
// ones with a use are retransmissions of the client's last flight. The
// library answers plain application data, which anybody can forge who knows
// the peer's address, with a fatal alert, and that would end the session.
func harmless(datagram []byte) bool {
	for len(datagram) > 0 {
		if len(datagram) < recordHeader {
			return false
		}
		end := recordHeader + int(binary.BigEndian.Uint16(datagram[11:13]))
		if end > len(datagram) {
			return false
		}
		epoch := binary.BigEndian.Uint16(datagram[3:5])
		if epoch == 0 && !lastFlight(datagram[0], datagram[recordHeader:end]) {
			return false
		}
		datagram = datagram[end:]
	}
	return true
}

// lastFlight reports whether a plain record can belong to the client's last flight.
func lastFlight(content byte, body []byte) bool {
	switch content {
	case contentHandshake:
		return true
	case contentChangeCipherSpec:
		return len(body) == 1 && body[0] == 1 // RFC 5246 §7.1
	}
	return false
}
