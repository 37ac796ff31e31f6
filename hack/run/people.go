package main

import (
	"context"
	"strings"

	"github.com/enrol-dev/enrol/internal/identityprovider"
)

const passwordsName = "passwords"

// startPeople starts an identity provider with the people of the samples. The API server must be told of it, and finds it
// there.
func (s *session) startPeople(ctx context.Context) error {
	people, err := identityprovider.Start(ctx, identityprovider.Options{
		Dir: s.folder.path, Port: s.peoplePort, RedirectURIs: []string{s.callbackURL()}, People: []identityprovider.Person{
			{Email: "ada@example.com"},
			{Email: "jane@example.com"},
			{Email: "joe@example.com"},
			{Email: "kim@example.com"},
			{Email: "max@example.com"},
		},
	})
	if err != nil {
		return err
	}
	s.people = people
	_, err = s.folder.write(passwordsName, []byte(s.passwords()))
	return err
}

// passwords are everybody's, a line each.
func (s *session) passwords() string {
	var all strings.Builder
	for _, person := range s.people.People() {
		all.WriteString(person.Email + " " + person.Password + "\n")
	}
	return all.String()
}

// awaitPeople returns when the API server takes the people's tokens.
func (s *session) awaitPeople(ctx context.Context) error {
	token, err := s.people.Token(ctx, s.people.People()[0].Email)
	if err != nil {
		return err
	}
	return s.plane.AwaitToken(ctx, token)
}
