package fleet

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"
)

// MinSecret and MaxSecret are how many bytes a secret has. Who pretends to be
// an agent gets something to try secrets on: it must be no word.
const (
	MinSecret = 16
	MaxSecret = 4096
)

// Secret takes a shared secret as it stands in a file: without what is blank
// around it.
func Secret(text []byte) ([]byte, error) {
	s := bytes.TrimSpace(text)
	if len(s) < MinSecret || len(s) > MaxSecret {
		return nil, fmt.Errorf("the secret must have from %d to %d characters; openssl rand -hex 16 makes one", MinSecret, MaxSecret)
	}
	return s, nil
}

// The sides of a proof.
const (
	coordinator = "plenum loadtest coordinator"
	agent       = "plenum loadtest agent"
)

// proof shows that a side knows the secret. It holds for one TLS connection
// only, by a value that no other has (RFC 9266): so a certificate need not be
// known, and who stands between the two cannot hand it on.
func proof(secret []byte, side string, state tls.ConnectionState) ([]byte, error) {
	binding, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(side))
	mac.Write(binding)
	return mac.Sum(nil), nil
}

var errSecret = errors.New("it has another secret")

// show sends a side's proof.
func show(conn *tls.Conn, secret []byte, side string) error {
	p, err := proof(secret, side, conn.ConnectionState())
	if err != nil {
		return err
	}
	_, err = conn.Write(p)
	return err
}

// see reads the other side's proof: errSecret if it is none.
func see(conn *tls.Conn, secret []byte, side string) error {
	want, err := proof(secret, side, conn.ConnectionState())
	if err != nil {
		return err
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil {
		return err
	}
	if !hmac.Equal(got, want) { // in constant time
		return errSecret
	}
	return nil
}

// clientTLS is the coordinator's side.
func clientTLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true} //nolint:gosec // the proof says who it is
}

// serverTLS is the agent's side, with a certificate that nobody looks at.
func serverTLS() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(10, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	}, nil
}
