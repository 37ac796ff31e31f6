package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-logr/logr"
	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/controlplane"
	"github.com/enrol-dev/enrol/internal/facade/store"
	"github.com/enrol-dev/enrol/internal/identityprovider"
	"github.com/enrol-dev/enrol/internal/testenv"
)

// logbook keeps what a program logs.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newWatched starts a facade for a test, whose log says at the end that no handler panicked, and tells no token.
func newWatched(t testing.TB) *replica {
	t.Helper()
	ports := [2]int{}
	for i, name := range []string{"the facade", "its health checks"} {
		var err error
		if ports[i], err = controlplane.FreePort(t.Context(), name, 0); err != nil {
			t.Fatal(err)
		}
	}
	certFile, keyFile, err := environment.ServingFiles("facade-" + strconv.Itoa(ports[0]))
	if err != nil {
		t.Fatal(err)
	}
	address, health := "127.0.0.1:"+strconv.Itoa(ports[0]), "127.0.0.1:"+strconv.Itoa(ports[1])
	c, err := parse([]string{
		"--kubeconfig=" + filepath.Join(facades[0].folder, "kubeconfig"), "--listen-address=" + address,
		"--tls-cert-file=" + certFile, "--tls-key-file=" + keyFile, "--public-url=" + publicURL, "--username-claim=email",
		"--health-probe-bind-address=" + health, "--requests-per-minute=0", "--requests-per-minute-and-source=0",
	})
	if err != nil {
		t.Fatal(err)
	}
	log := &logbook{}
	ctx, cancel := context.WithCancel(context.Background())
	r := &replica{
		url: "https://" + address, health: "http://" + health, cancel: cancel, ended: make(chan error, 1), folder: t.TempDir(), log: log,
	}
	if r.client, err = trusting(environment.CAFile()); err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- serveLogged(ctx, c, log) }()
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		said := log.String()
		if strings.Contains(said, "panic") {
			t.Errorf("the facade panicked:\n%s", said)
		}
		for _, secret := range secrets(t) {
			if strings.Contains(said, secret) {
				t.Errorf("the log tells the token %s...", secret[:min(8, len(secret))])
			}
		}
	})
	if err := r.awaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return r
}

// serveLogged is run with a log of the test's own.
func serveLogged(ctx context.Context, c *configuration, log io.Writer) error {
	config, err := c.cluster.ClientConfig()
	if err != nil {
		return err
	}
	objects, err := store.New(config, c.cluster.Naming(), clock.RealClock{})
	if err != nil {
		return err
	}
	logger := logr.FromSlogHandler(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	handler, err := c.handler(config, objects, logger)
	if err != nil {
		return err
	}
	return c.serve(ctx, handler, objects, logger)
}

// secrets are the signatures of the tokens that tests use: no answer and no log tells any.
func secrets(t testing.TB) []string {
	t.Helper()
	var found []string
	for _, person := range []string{ada, jane, joe, kim, maxim, eve} {
		token, err := environment.Token(context.Background(), person)
		if err != nil {
			t.Error(err)
			continue
		}
		found = append(found, token[strings.LastIndexByte(token, '.')+1:])
	}
	return append(found, environment.People.ClientSecret())
}

// deadTokens are tokens that the API server refuses, though the identity provider made them.
func deadTokens(t testing.TB) map[string]string {
	t.Helper()
	tokens := map[string]string{}
	for name, get := range map[string]func() (string, error){
		"expired": func() (string, error) { return environment.People.ExpiredToken(t.Context(), ada) },
		"another audience": func() (string, error) {
			return environment.People.TokenFor(t.Context(), identityprovider.OtherAudience, ada)
		},
		"unverified address": func() (string, error) { return environment.Token(t.Context(), testenv.UnverifiedPerson) },
	} {
		token, err := get()
		if err != nil {
			t.Fatal(err)
		}
		tokens[name] = token
	}
	return tokens
}

// versions are the resourceVersions of all that an organisation consists of.
func (f *fixture) versions() map[string]string {
	f.Helper()
	found := map[string]string{}
	collect := func(list client.ObjectList, options ...client.ListOption) {
		f.Helper()
		if err := f.admin.List(f.Context(), list, options...); err != nil {
			f.Fatal(err)
		}
	}
	var organisations enrolv1alpha1.OrganisationList
	collect(&organisations)
	for i := range organisations.Items {
		if o := &organisations.Items[i]; o.Name == f.name {
			found["Organisation "+o.Name] = o.ResourceVersion
		}
	}
	var members enrolv1alpha1.MemberList
	collect(&members, client.InNamespace(f.home()))
	for i := range members.Items {
		found["Member "+members.Items[i].Name] = members.Items[i].ResourceVersion
	}
	var invitations enrolv1alpha1.InvitationList
	collect(&invitations, client.InNamespace(f.home()))
	for i := range invitations.Items {
		found["Invitation "+invitations.Items[i].Name] = invitations.Items[i].ResourceVersion
	}
	var bindings rbacv1.RoleBindingList
	collect(&bindings, client.MatchingLabels{enrolv1alpha1.LabelOrganisation: f.name})
	for i := range bindings.Items {
		b := &bindings.Items[i]
		found["RoleBinding "+b.Namespace+"/"+b.Name] = b.ResourceVersion
	}
	return found
}

// settled are the versions once the organisation has counted what it has, which takes it a while, and nothing changes any more.
func (f *fixture) settled() map[string]string {
	f.Helper()
	const calm = 40
	var before map[string]string
	same := 0
	f.eventually(func() error {
		now := f.versions()
		if err := f.tally(now); err != nil {
			return err
		}
		if maps.Equal(before, now) {
			same++
		} else {
			before, same = now, 0
		}
		if same < calm {
			return fmt.Errorf("the organisation still changes: %d looks were the same", same)
		}
		return nil
	})
	return before
}

// tally says why the organisation's status does not know yet how many there are.
func (f *fixture) tally(versions map[string]string) error {
	f.Helper()
	count := map[string]int32{}
	for name := range versions {
		kind, _, _ := strings.Cut(name, " ")
		count[kind]++
	}
	var o enrolv1alpha1.Organisation
	if err := f.admin.Get(f.Context(), client.ObjectKey{Name: f.name}, &o); err != nil {
		return err
	}
	s := o.Status
	if s.Members != count["Member"] || s.Invitations != count["Invitation"] || s.Bindings != count["RoleBinding"] {
		return fmt.Errorf("the organisation counts %d, %d and %d of %v", s.Members, s.Invitations, s.Bindings, count)
	}
	return nil
}

// targeted is an organisation with somebody of each kind, to aim at.
type targeted struct {
	*fixture

	// member is jane's, with role viewer, and pending nobody's so far.
	member, pending *enrolv1alpha1.Member
	// invitation waits for kim.
	invitation *enrolv1alpha1.Invitation
	// projects by name.
	projects map[string]string
}

func newTargeted(t testing.TB) *targeted {
	t.Helper()
	x := &targeted{fixture: newOrganisation(t, func(o *enrolv1alpha1.Organisation) {
		o.Spec.Owners = append(o.Spec.Owners, enrolv1alpha1.Owner{Username: joe, Email: joe})
	})}
	everywhere := enrolv1alpha1.Projects{enrolv1alpha1.AllProjects}
	x.member = x.fixture.member("jane", enrolv1alpha1.MemberSpec{
		Username: jane, Email: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}, Projects: everywhere,
	})
	x.pending = x.fixture.member("pending", enrolv1alpha1.MemberSpec{
		Email: "pending@example.org", Roles: []enrolv1alpha1.RoleName{"developer"}, Projects: everywhere,
	})
	x.invitation = &enrolv1alpha1.Invitation{}
	x.invitation.Name, x.invitation.Namespace = "kim", x.home()
	x.invitation.Spec = enrolv1alpha1.InvitationSpec{
		Email: kim, Roles: []enrolv1alpha1.RoleName{"viewer"}, Projects: everywhere,
		SendEmail: new(false), InvitedBy: enrolv1alpha1.Inviter{Username: platform, Email: platform},
	}
	x.create(x.invitation)
	x.projects = map[string]string{}
	for _, name := range []string{"web", "data"} {
		var namespace corev1.Namespace
		if err := x.admin.Get(t.Context(), client.ObjectKey{Name: x.project(name)}, &namespace); err != nil {
			t.Fatal(err)
		}
		x.projects[name] = string(namespace.UID)
	}
	x.eventually(func() error {
		if got := x.on(facades[0]).get(jane, "/api/v1/organisations/"+x.name+"/me"); got.status != http.StatusOK {
			return fmt.Errorf("the facade does not know jane yet: %s", got)
		}
		return nil
	})
	return x
}

// names of what differs between dialects.
const (
	avisiDialect, dreadnodeDialect, llamacloudDialect = "avisi", "dreadnode", "llamacloud"
	qoveryDialect, versoriDialect                     = "qovery", "versori"
)

// fill puts ids into the path of an operation.
func (x *targeted) fill(dialect, path string) string {
	return parameter.ReplaceAllStringFunc(path, func(braced string) string {
		return url.PathEscape(x.id(dialect, strings.Trim(braced, "{}")))
	})
}

var parameter = regexp.MustCompile(`\{[A-Za-z_]+\}`)

// id is one that fits a path parameter.
func (x *targeted) id(dialect, name string) string {
	switch name {
	case "organisationSlug", "org":
		return x.name
	case "organization_id", "organizationId", "organisation_id":
		return x.uid()
	case "invitation_id", "invite_id", "inviteId":
		return string(x.invitation.UID)
	case "project_id":
		return x.projects["web"]
	case "member_user_id":
		return jane
	case "user_id":
		if dialect == llamacloudDialect {
			return jane
		}
		return string(x.member.UID)
	case "member_id":
		return string(x.member.UID)
	}
	x.Fatalf("there is no id for the parameter %s of %s", name, dialect)
	return ""
}

// role is the id of a role of the organisation.
func (x *targeted) role(name string) string {
	return uuid.NewSHA1(uuid.MustParse(x.uid()), []byte("role/"+name)).String()
}

// body is one that an operation takes; "" where none is documented.
func (x *targeted) body(operation string) string {
	bodies := map[string]string{
		"avisi/addMember":               `{"email": "new@example.org", "role": "viewer"}`,
		"dreadnode/inviteMember":        `{"email": "new@example.org", "role": "reader"}`,
		"dreadnode/respondToInvitation": `{"accept": true}`,
		"dreadnode/changeMemberRole":    `{"role": "contributor"}`,
		"llamacloud/addUsers":           `[{"email": "new@example.org", "project_ids": null, "role_id": "` + x.role("viewer") + `"}]`,
		"llamacloud/removeUser":         `["` + x.projects["data"] + `"]`,
		"llamacloud/removeUsers":        `[{"user_id": "jane@example.com", "project_id_list": ["` + x.projects["data"] + `"]}]`,
		"llamacloud/assignRole": `{"user_id": "jane@example.com", "organization_id": "` + x.uid() + `", "role_id": "` +
			x.role("developer") + `"}`,
		"qovery/inviteMember":      `{"email": "new@example.org", "role": "VIEWER", "role_id": "` + x.role("viewer") + `"}`,
		"qovery/changeMemberRole":  `{"user_id": "` + string(x.member.UID) + `", "role_id": "` + x.role("developer") + `"}`,
		"qovery/removeMember":      `{"user_id": "` + string(x.member.UID) + `"}`,
		"qovery/transferOwnership": `{"user_id": "` + string(x.member.UID) + `"}`,
		"versori/createInvitation": `{"email": "new@example.org", "url": "https://enrol.example.com/accept", ` +
			`"authUrl": "https://enrol.example.com/sign-up", "inviteType": "join_organisation", "roles": ["viewer"]}`,
		"versori/resendInvitation": `{"email": "kim@example.com", "url": "https://enrol.example.com/accept", ` +
			`"authUrl": "https://enrol.example.com/sign-up", "inviteType": "join_organisation"}`,
	}
	return bodies[operation]
}

// checkEnvelope wants an error in the dialect's envelope, to the letter.
func checkEnvelope(dialect string, a *answer) error {
	if got := a.header.Get("Content-Type"); got != "application/json" {
		return fmt.Errorf("the content type is %q", got)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		return fmt.Errorf("the cache control is %q", got)
	}
	if !jsontext.Value(a.body).IsValid() {
		return errors.New("the body is no JSON value")
	}
	if a.status == http.StatusMethodNotAllowed && a.header.Get("Allow") == "" {
		return errors.New("405 without Allow")
	}
	if a.status == http.StatusUnauthorized && a.header.Get("WWW-Authenticate") != "Bearer" {
		return errors.New("401 without WWW-Authenticate")
	}
	return map[string]func(*answer) error{
		avisiDialect: checkAvisi, dreadnodeDialect: checkDreadnode, llamacloudDialect: checkLlamacloud,
		qoveryDialect: checkQovery, versoriDialect: checkVersori,
	}[dialect](a)
}

// strictly reads a body that has no field but those that are known.
func strictly[T any](a *answer) (T, error) {
	var value T
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil {
		return value, fmt.Errorf("the envelope is another one: %w", err)
	}
	return value, nil
}

func checkAvisi(a *answer) error {
	e, err := strictly[struct {
		Message string    `json:"message"`
		Details []*string `json:"details"`
	}](a)
	switch {
	case err != nil:
		return err
	case e.Message == "" || e.Details == nil || slices.Contains(e.Details, nil):
		return errors.New("message or details are missing")
	case a.status == http.StatusBadRequest && len(e.Details) == 0:
		return errors.New("400 without details")
	}
	return nil
}

// pointed is a detail of two of the dialects.
type pointed struct {
	Loc  []any  `json:"loc"`
	Msg  string `json:"msg"`
	Type string `json:"type"`
}

var machineReadable = regexp.MustCompile(`^[a-z_]+$`)

func checkFaults(faults []pointed) error {
	if len(faults) == 0 {
		return errors.New("422 without details")
	}
	for _, f := range faults {
		if len(f.Loc) == 0 || f.Msg == "" || !machineReadable.MatchString(f.Type) {
			return fmt.Errorf("the detail %+v is not whole", f)
		}
		if place, _ := f.Loc[0].(string); place != "body" && place != "path" && place != "query" {
			return fmt.Errorf("the detail %+v is nowhere", f)
		}
		for _, step := range f.Loc {
			_, isText := step.(string)
			number, isNumber := step.(float64)
			if !isText && !isNumber || isNumber && (number < 0 || number != float64(int(number))) {
				return fmt.Errorf("the detail %+v has a strange place", f)
			}
		}
	}
	return nil
}

func checkLlamacloud(a *answer) error {
	retry := a.header.Get("X-Should-Retry")
	if wanted := map[bool]string{true: "false"}[a.status == http.StatusConflict]; retry != wanted {
		return fmt.Errorf("x-should-retry is %q", retry)
	}
	if a.status == http.StatusUnprocessableEntity {
		e, err := strictly[struct {
			Detail []pointed `json:"detail"`
		}](a)
		if err != nil {
			return err
		}
		return checkFaults(e.Detail)
	}
	e, err := strictly[struct {
		Detail string `json:"detail"`
	}](a)
	if err == nil && e.Detail == "" {
		err = errors.New("detail is missing")
	}
	return err
}

func checkDreadnode(a *answer) error {
	e, err := strictly[struct {
		Code   int       `json:"code"`
		Detail string    `json:"detail"`
		Type   string    `json:"type"`
		Errors []pointed `json:"errors"`
	}](a)
	if err != nil {
		return err
	}
	types := map[int][]string{
		400: {"invalid_error"}, 401: {"authentication_error"}, 403: {"forbidden_error"}, 404: {"not_found_error"},
		409: {"already_exists_error", "member_exists_error", "conflict_error"}, 422: {"validation_error"},
		426: {"upgrade_required_error"}, 429: {"rate_limit_error"},
	}
	switch {
	case e.Code != a.status || e.Detail == "" || !slices.Contains(types[a.status], e.Type):
		return errors.New("code, detail or type is wrong")
	case a.status == http.StatusUnprocessableEntity:
		return checkFaults(e.Errors)
	case bytes.Contains(a.body, []byte(`"errors"`)):
		return errors.New("errors are for 422 only")
	}
	return nil
}

func checkQovery(a *answer) error {
	e, err := strictly[struct {
		Status int    `json:"status"`
		Error  string `json:"error"`
		Detail string `json:"detail"`
	}](a)
	switch {
	case err != nil:
		return err
	case e.Status != a.status || e.Error != http.StatusText(a.status) || e.Detail == "":
		return errors.New("status, error or detail is wrong")
	case a.status == http.StatusBadRequest && strings.Contains(strings.ToLower(e.Detail), "exist"):
		return errors.New("a 400 that some readers take for a 404")
	}
	return nil
}

func checkVersori(a *answer) error {
	e, err := strictly[struct {
		Code    string  `json:"code"`
		Message string  `json:"message"`
		Cause   *string `json:"cause"`
	}](a)
	if err != nil {
		return err
	}
	codes := map[int][]string{
		400: {"invalid_argument", "invitation_expired"}, 401: {"unauthenticated"}, 403: {"permission_denied"}, 404: {"not_found"},
		405: {"method_not_allowed"}, 409: {"already_exists", "already_member", "conflict"}, 413: {"payload_too_large"},
		415: {"unsupported_media_type"}, 426: {"upgrade_required"}, 429: {"rate_limited"},
	}
	if !slices.Contains(codes[a.status], e.Code) || e.Message == "" || e.Cause != nil && *e.Cause == "" {
		return errors.New("code, message or cause is wrong")
	}
	return nil
}
