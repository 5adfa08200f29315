package tunnel

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/scrypt"

	"github.com/payperplay/payperplay/controller/fault"
)

const (
	plainType  = "PRIVATE KEY"
	sealedType = "PAYPERPLAY SEALED KEY" // scrypt(N=2^15, r=8, p=1) → AES-256-GCM over PKCS #8, the type is the additional data
)

// Passphrase reads PAYPERPLAY_CA_PASSPHRASE, or the file that PAYPERPLAY_CA_PASSPHRASE_FILE names; empty means: do not seal.
func Passphrase(getenv func(string) string) ([]byte, error) {
	if p := getenv("PAYPERPLAY_CA_PASSPHRASE"); p != "" {
		return []byte(p), nil
	}
	file := getenv("PAYPERPLAY_CA_PASSPHRASE_FILE")
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the file of PAYPERPLAY_CA_PASSPHRASE_FILE cannot be read", "correct the variable or the file's rights")
	}
	if p := strings.TrimRight(string(data), "\r\n"); p != "" {
		return []byte(p), nil
	}
	return nil, fault.New(fault.Invalid, "the file of PAYPERPLAY_CA_PASSPHRASE_FILE is empty", "write the passphrase into it or unset the variable")
}

func sealKey(key crypto.Signer, passphrase []byte) (*pem.Block, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if len(passphrase) == 0 {
		return &pem.Block{Type: plainType, Bytes: der}, nil
	}
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return nil, err
	}
	aead, err := sealer(passphrase, salt)
	if err != nil {
		return nil, err
	}
	return &pem.Block{
		Type:    sealedType,
		Headers: map[string]string{"Salt": hex.EncodeToString(salt)},
		Bytes:   aead.Seal(nil, nil, der, []byte(sealedType)),
	}, nil
}

// openKey reads a key block; plain tells that it was not sealed.
func openKey(block *pem.Block, passphrase []byte) (key crypto.Signer, plain bool, err error) {
	der := block.Bytes
	switch block.Type {
	case plainType:
		plain = true
	case sealedType:
		if der, err = unseal(block, passphrase); err != nil {
			return nil, false, err
		}
	default:
		return nil, false, fmt.Errorf("unknown key block %q", block.Type)
	}
	any, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, plain, err
	}
	key, ok := any.(crypto.Signer)
	if !ok {
		return nil, plain, fmt.Errorf("a %T cannot sign", any)
	}
	return key, plain, nil
}

func unseal(block *pem.Block, passphrase []byte) ([]byte, error) {
	if len(passphrase) == 0 {
		return nil, fault.New(fault.Invalid, "the cluster's CA key is sealed and no passphrase was given",
			"set PAYPERPLAY_CA_PASSPHRASE or PAYPERPLAY_CA_PASSPHRASE_FILE and start again")
	}
	salt, err := hex.DecodeString(block.Headers["Salt"])
	if err != nil || len(salt) == 0 {
		return nil, errors.New("the sealed key has no salt")
	}
	aead, err := sealer(passphrase, salt)
	if err != nil {
		return nil, err
	}
	der, err := aead.Open(nil, nil, block.Bytes, []byte(sealedType))
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the passphrase does not open the cluster's CA key", "correct PAYPERPLAY_CA_PASSPHRASE and start again")
	}
	return der, nil
}

func sealer(passphrase, salt []byte) (cipher.AEAD, error) {
	secret, err := scrypt.Key(passphrase, salt, 1<<15, 8, 1, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
