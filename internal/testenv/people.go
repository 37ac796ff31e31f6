package testenv

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/client-go/rest"

	"github.com/enrol-dev/enrol/internal/identityprovider"
)

// UnverifiedPerson is who has an account with an address that nobody has checked; the API server refuses the tokens.
const UnverifiedPerson = "unverified@example.com"

// SamplePeople are ada, jane, joe, kim, max and eve, p0 to p14, all of them @example.com, and UnverifiedPerson.
func SamplePeople() []identityprovider.Person {
	const extras = 15
	names := []string{"ada", "jane", "joe", "kim", "max", "eve"}
	for i := range extras {
		names = append(names, fmt.Sprintf("p%d", i))
	}
	people := []identityprovider.Person{{Email: UnverifiedPerson, Unverified: true}}
	for _, name := range names {
		people = append(people, identityprovider.Person{Email: name + "@example.com"})
	}
	return people
}

// tokens are those that people have already: each login is a bcrypt hash, and no environment lives as long as a token.
type tokens struct {
	sync.Mutex

	byPerson map[string]string
}

// Token is the ID token of one of the people; the same one each time.
func (e *Environment) Token(ctx context.Context, email string) (string, error) {
	if e.People == nil {
		return "", errors.New("this environment was started without people")
	}
	e.tokens.Lock()
	defer e.tokens.Unlock()
	if token, ok := e.tokens.byPerson[email]; ok {
		return token, nil
	}
	token, err := e.People.Token(ctx, email)
	if err != nil {
		return "", err
	}
	if e.tokens.byPerson == nil {
		e.tokens.byPerson = map[string]string{}
	}
	e.tokens.byPerson[email] = token
	return token, nil
}

// PersonConfig is a client configuration with the token of one of the people. Unlike that of Config, it says which address
// of the person is verified.
func (e *Environment) PersonConfig(ctx context.Context, email string) (*rest.Config, error) {
	token, err := e.Token(ctx, email)
	if err != nil {
		return nil, err
	}
	return e.TokenConfig(token), nil
}

// awaitPeople returns when the API server accepts the people's tokens.
func (e *Environment) awaitPeople(ctx context.Context) error {
	if e.People == nil {
		return nil
	}
	for _, person := range e.People.People() {
		if person.Unverified {
			continue
		}
		token, err := e.Token(ctx, person.Email)
		if err != nil {
			return err
		}
		return e.AwaitToken(ctx, token)
	}
	return nil
}
