package llamacloud

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
)

// defaultPageSize is how many items a page has when the client does not say.
const defaultPageSize = 100

// key is where an item stands in a list: by its age, then by its id. A page goes on behind the key of the last item of the page
// before, whether that one is still there or not.
type key struct {
	created time.Time
	id      string
}

func (k key) compare(other key) int {
	return cmp.Or(k.created.Compare(other.created), strings.Compare(k.id, other.id))
}

// token is the key in a form that clients have nothing to read from.
func (k key) token() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", k.created.Unix(), k.id))
}

// keyOf reads a token, which must be one that token writes.
func keyOf(token string) (key, bool) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return key{}, false
	}
	created, id, _ := strings.Cut(string(text), " ")
	seconds, err := strconv.ParseInt(created, 10, 64)
	k := key{created: time.Unix(seconds, 0), id: id}
	return k, err == nil && k.token() == token
}

func invitationKey(i *domain.Invitation) key { return key{created: i.Created, id: i.ID} }

func organisationKey(m *domain.Membership) key {
	return key{created: m.Organisation.CreationTimestamp.Time, id: m.Organisation.ID()}
}

// byAge orders memberships by the age of their organisations.
func byAge(memberships []*domain.Membership) []*domain.Membership {
	slices.SortFunc(memberships, func(a, b *domain.Membership) int { return organisationKey(a).compare(organisationKey(b)) })
	return memberships
}

// pageOf is a page of a list that is ordered by its keys, and the token of the next one: nil for none. The document keeps the size to
// a number that fits.
func pageOf[T any](all []T, keyOfItem func(T) key, size, token *string) (page []T, next *string, err error) {
	if value(token) != "" {
		after, ok := keyOf(*token)
		if !ok {
			return nil, nil, badQuery("page_token", "must be a token of a page before")
		}
		start, found := slices.BinarySearchFunc(all, after, func(item T, after key) int { return keyOfItem(item).compare(after) })
		if found {
			start++
		}
		all = all[start:]
	}
	most := defaultPageSize
	if size != nil {
		if most, err = strconv.Atoi(*size); err != nil {
			return nil, nil, badQuery("page_size", "must be an integer")
		}
	}
	if len(all) <= most {
		return all, nil, nil
	}
	last := keyOfItem(all[most-1]).token()
	return all[:most], &last, nil
}

func badQuery(parameter, text string) error {
	return &fault.Error{Kind: fault.Invalid, Details: []fault.Detail{{In: fault.Query, Path: []any{parameter}, Text: text}}}
}

// each is what a list becomes: never nil.
func each[From, To any](items []From, view func(From) To) []To {
	views := make([]To, 0, len(items))
	for _, item := range items {
		views = append(views, view(item))
	}
	return views
}
