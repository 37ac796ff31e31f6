package main

import (
	"encoding/json"

	"github.com/enrol-dev/enrol/internal/identityprovider"
)

// callbackURL is where the identity provider sends people back to who sign in to the facade with a browser.
func (o options) callbackURL() string { return o.publicURL() + "/sign-in/callback" }

// facadeSignIn are the facade's flags for that: it is a client of the identity provider, and it seals cookies with the keys that
// the operator has made.
func (s *session) facadeSignIn() ([]string, error) {
	secret, err := s.folder.write("credentials/client-secret", []byte(s.people.ClientSecret()))
	if err != nil {
		return nil, err
	}
	// JSON is YAML.
	config, err := json.MarshalIndent(map[string]any{"issuers": []map[string]any{{
		"name": "Dex", "url": s.people.Issuer(), "clientID": identityprovider.Audience, "clientSecretFile": secret,
		"caFile": s.plane.CAFile(), "scopes": []string{"openid", "email", "profile", "groups"}, "groupsClaim": "groups",
	}}}, "", "  ")
	if err != nil {
		return nil, err
	}
	file, err := s.folder.write("sign-in.yaml", config)
	if err != nil {
		return nil, err
	}
	return []string{
		"--sign-in-config=" + file, "--token-keys=" + s.folder.file("keys"),
		"--cluster-server=" + s.plane.URL(), "--cluster-ca-file=" + s.plane.CAFile(),
	}, nil
}
