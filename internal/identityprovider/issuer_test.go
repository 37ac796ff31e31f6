package identityprovider

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
)

// issuer is an OpenID Connect issuer that signs any claims.
type issuer struct {
	server *httptest.Server
	key    *rsa.PrivateKey
	url    string
	caFile string
}

func startIssuer(dir string) (*issuer, error) {
	const bits = 2048
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, err
	}
	i := &issuer{key: key, caFile: filepath.Join(dir, "issuer.crt")}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.serve(func() any {
		return map[string]any{"issuer": i.url, "jwks_uri": i.url + "/keys"}
	}))
	mux.HandleFunc("GET /keys", i.serve(func() any {
		return map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": encode(key.N.Bytes()),
			"e": encode(big.NewInt(int64(key.E)).Bytes()),
		}}}
	}))
	i.server = httptest.NewTLSServer(mux)
	i.url = i.server.URL
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.server.Certificate().Raw})
	return i, os.WriteFile(i.caFile, certificate, 0o600)
}

func (*issuer) serve(content func() any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(content())
	}
}

// sign makes a token of claims.
func (i *issuer) sign(claims map[string]any) (string, error) {
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	text := encode([]byte(`{"alg":"RS256","kid":"1"}`)) + "." + encode(body)
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, digest[:])
	return text + "." + encode(signature), err
}

func encode(content []byte) string { return base64.RawURLEncoding.EncodeToString(content) }
