package session

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/enrol-dev/enrol/internal/facade/edge"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/token"
)

const (
	signInPath   = "/sign-in"
	callbackPath = "/sign-in/callback"
	signOutPath  = "/sign-out"

	queryReturn  = "return_to"
	queryIssuer  = "issuer"
	queryAccount = "account"
	otherAccount = "other"

	// attemptAge is how long somebody may take at the identity provider.
	attemptAge = 10 * time.Minute
	// maxAttempts is how many tabs may sign in at a time: the older ones give way.
	maxAttempts = 3
	// maxForm is enough for the one field of a form.
	maxForm = 8 << 10
)

// attempt is a sign-in under way, bound to the browser by a cookie.
type attempt struct {
	State    string    `json:"s"`
	Nonce    string    `json:"n"`
	Verifier string    `json:"v"`
	Issuer   string    `json:"i"`
	ReturnTo string    `json:"r"`
	Expire   time.Time `json:"e"`
}

// SignInAsAnother is SignIn that lets people choose another account. It ends at a page of this origin, so that a form may lead
// there, by way of POST /sign-out with it as return_to.
func SignInAsAnother(returnTo string) string {
	return SignIn(returnTo) + "&" + queryAccount + "=" + otherAccount
}

// Register adds the routes of sign-in, each behind the middleware. Other methods are 405 by the mux.
func (s *Sessions) Register(mux *http.ServeMux, middleware func(http.Handler) http.Handler) {
	for pattern, handler := range map[string]http.HandlerFunc{
		"GET " + signInPath:                  s.signIn,
		"GET " + callbackPath:                s.callback,
		"GET " + callbackPath + "/{issuer}":  s.callback,
		"HEAD " + callbackPath:               notHead,
		"HEAD " + callbackPath + "/{issuer}": notHead,
		"POST " + signOutPath:                s.signOut,
	} {
		mux.Handle(pattern, middleware(handler))
	}
}

// notHead keeps a look at a link from using it up.
func notHead(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Allow", http.MethodGet)
	w.WriteHeader(http.StatusMethodNotAllowed)
}

// signIn sends the browser to the identity provider, or asks to which.
func (s *Sessions) signIn(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	returnTo := local(query.Get(queryReturn))
	if strings.HasPrefix(returnTo, signInPath) || strings.HasPrefix(returnTo, signOutPath) {
		returnTo = "/"
	}
	account := query.Get(queryAccount)
	another := account == otherAccount
	chosen := s.chosen(query.Get(queryIssuer))
	switch {
	case len(s.providers) == 0:
		s.answer(w, http.StatusNotFound, page{Title: "Sign-in is not set up", Texts: []string{
			"No identity provider is configured here. Please tell whoever runs this service.",
		}})
		return
	case chosen == nil && len(s.providers) == 1 && !another:
		chosen = s.providers[0]
	case chosen == nil:
		s.choose(w, returnTo, account)
		return
	}
	a := &attempt{
		State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Issuer: chosen.URL, ReturnTo: returnTo,
		Expire: s.Clock.Now().Add(attemptAge),
	}
	var options []oauth2.AuthCodeOption
	if another {
		options = append(options, oauth2.SetAuthURLParam("prompt", chosen.AccountPrompt))
	}
	target, err := chosen.begin(r.Context(), a, options...)
	if err == nil {
		err = s.keep(w, append(s.attempts(r), a))
	}
	if err != nil {
		s.failed(w, r, err, returnTo)
		return
	}
	secured(w)
	http.Redirect(w, r, target, http.StatusFound)
}

func (s *Sessions) chosen(name string) *provider {
	for _, p := range s.providers {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// choose asks with which account, and so makes a stop on this origin: browsers let a form lead no further.
func (s *Sessions) choose(w http.ResponseWriter, returnTo, account string) {
	p := page{Title: "Sign in", Texts: []string{"Choose the account to sign in with."}}
	if len(s.providers) == 1 {
		p.Texts = []string{"Go on to sign in with the account that you want to use."}
	}
	for _, issuer := range s.providers {
		values := url.Values{queryReturn: {returnTo}, queryIssuer: {issuer.Name}}
		if account == otherAccount {
			values.Set(queryAccount, account)
		}
		p.Links = append(p.Links, link{Text: "Sign in with " + issuer.Name, URL: signInPath + "?" + values.Encode()})
	}
	s.answer(w, http.StatusOK, p)
}

func (s *Sessions) attemptCookie() string {
	if s.secure {
		return "__Host-sign-in"
	}
	return "sign-in"
}

// attempts are those that this browser has begun and not ended.
func (s *Sessions) attempts(r *http.Request) []*attempt {
	cookie, err := r.Cookie(s.attemptCookie())
	if err != nil {
		return nil
	}
	opened, err := s.open(attemptPurpose, cookie.Value)
	if err != nil {
		return nil
	}
	var all, open []*attempt
	if err := json.Unmarshal(opened, &all); err != nil {
		return nil
	}
	for _, a := range all {
		if s.Clock.Now().Before(a.Expire) {
			open = append(open, a)
		}
	}
	return open
}

// keep sets the cookie with the attempts, the latest of them as far as they fit.
func (s *Sessions) keep(w http.ResponseWriter, attempts []*attempt) error {
	attempts = attempts[max(0, len(attempts)-maxAttempts):]
	for ; len(attempts) > 0; attempts = attempts[1:] {
		text, err := json.Marshal(attempts)
		if err != nil {
			return err
		}
		sealed, err := s.seal(attemptPurpose, text)
		if err != nil {
			return err
		}
		cookie := s.cookie(s.attemptCookie(), sealed, attemptAge)
		if len(cookie.String()) <= maxCookie {
			http.SetCookie(w, cookie)
			return nil
		}
	}
	http.SetCookie(w, s.cookie(s.attemptCookie(), "", 0))
	return nil
}

// callback ends a sign-in that this browser has begun.
func (s *Sessions) callback(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	var a *attempt
	var others []*attempt
	for _, begun := range s.attempts(r) {
		if subtle.ConstantTimeCompare([]byte(begun.State), []byte(query.Get("state"))) == 1 {
			a = begun
			continue
		}
		others = append(others, begun)
	}
	var p *provider
	if a != nil {
		p = s.provider(a.Issuer)
	}
	if p == nil {
		s.answer(w, http.StatusBadRequest, page{Title: "This sign-in is over", Texts: []string{
			"It was ended before, took too long, or was begun in another browser.",
		}, Links: []link{{"Go on", "/"}, {"Sign in again", SignIn("/")}}})
		return
	}
	if err := s.keep(w, others); err != nil {
		s.failed(w, r, err, a.ReturnTo)
		return
	}
	// The answer must be from the provider that was asked: by where it came to and, where it says who it is, by that (RFC 9207). Else
	// one could have people sign in with another, and be sent the code to redeem.
	issuer := query.Get("iss")
	if query.Has("error") || query.Get("code") == "" || issuer != "" && issuer != a.Issuer || r.URL.Path != p.callbackPath() {
		s.answer(w, http.StatusBadRequest, page{Title: "You are not signed in", Texts: []string{
			p.Name + " did not sign you in, or you changed your mind.",
		}, Links: []link{{"Try again", SignIn(a.ReturnTo)}}})
		return
	}
	cookie, err := s.signedIn(r, p, a, query.Get("code"))
	if err != nil {
		s.failed(w, r, err, a.ReturnTo)
		return
	}
	// What the browser had before is over, whoever it was.
	s.end(r)
	http.SetCookie(w, cookie)
	secured(w)
	http.Redirect(w, r, a.ReturnTo, http.StatusSeeOther)
}

func (s *Sessions) signedIn(r *http.Request, p *provider, a *attempt, code string) (*http.Cookie, error) {
	raw, token, err := p.finish(r.Context(), a, code)
	if err != nil {
		return nil, err
	}
	s.recognise(r.Context(), raw)
	return s.start(p, raw, token.Expiry)
}

// recognise tells of a sign-in. It is done here, since pages change nothing when they are looked at.
func (s *Sessions) recognise(ctx context.Context, idToken string) {
	if s.Recognise == nil {
		return
	}
	caller, err := s.Reviewer.Caller(ctx, idToken)
	if errors.Is(err, identity.ErrRefused) {
		return
	}
	if err == nil {
		err = s.Recognise(ctx, caller)
	}
	if err != nil {
		s.Log.Error(err, "Recording a username failed", "requestID", edge.RequestID(ctx))
	}
}

// signOut ends the session of this browser.
func (s *Sessions) signOut(w http.ResponseWriter, r *http.Request) {
	if err := fromPage(r); err != nil {
		s.answer(w, http.StatusForbidden, page{Title: "That did not come from here", Texts: []string{
			"Another site asked to sign you out. Nothing was changed.",
		}, Links: []link{{"Go on", "/"}}})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	returnTo := local(r.FormValue(queryReturn))
	s.end(r)
	http.SetCookie(w, s.cookie(s.cookieName(), "", 0))
	secured(w)
	http.Redirect(w, r, returnTo, http.StatusSeeOther) //nolint:gosec // It is a path of this origin.
}

// failed says that a sign-in came to nothing, and why as far as it helps. The rest is in the log.
func (s *Sessions) failed(w http.ResponseWriter, r *http.Request, err error, returnTo string) {
	s.Log.Error(err, "A sign-in failed", "requestID", edge.RequestID(r.Context()))
	again := []link{{"Try again", SignIn(returnTo)}}
	_, expired := errors.AsType[*oidc.TokenExpiredError](err)
	switch {
	case errors.Is(err, errUnreachable) || errors.Is(err, token.ErrNoKey):
		w.Header().Set("Retry-After", "5")
		s.answer(w, http.StatusServiceUnavailable, page{Title: "Sign-in does not work just now", Texts: []string{
			"The identity provider cannot be reached, or does not answer as it should. Please try again in a moment.",
		}, Links: again})
	case errors.Is(err, errTooBig):
		s.answer(w, http.StatusInternalServerError, page{Title: "Your sign-in is too big", Texts: []string{
			fmt.Sprintf("What the identity provider says about you does not fit into the %d bytes that a browser keeps.", maxCookie),
			"Most often it names too many groups. Please ask whoever runs the identity provider to send fewer of them.",
		}})
	case expired:
		s.answer(w, http.StatusForbidden, page{Title: "This sign-in has expired", Texts: []string{
			"It had expired when it arrived here. If it happens again, a clock is wrong: please tell whoever runs this service.",
		}, Links: again})
	default:
		s.answer(w, http.StatusForbidden, page{Title: "This sign-in was not accepted", Texts: []string{
			"The answer of the identity provider is not one that can be relied on. Please try again.",
		}, Links: again})
	}
}
