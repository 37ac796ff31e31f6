package v1alpha1_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/enrol-dev/enrol/api/v1alpha1"
)

func invitation(t *testing.T, name, spec string) *unstructured.Unstructured {
	t.Helper()
	return text(t, "Invitation", home(t), name, "spec: "+spec)
}

const invited = "email: j@example.com, invitedBy: {username: ada}"

func TestInvitations(t *testing.T) {
	t.Parallel()
	email := func(address string) string { return "{email: " + address + ", invitedBy: {username: ada}}" }
	long := strings.Repeat("d.", 125)
	cases := map[string]struct {
		reason string
		spec   string
		want   []string
	}{
		"Least":           {"an address and an inviter", "{" + invited + "}", nil},
		"Owner":           {"owner is a role to invite to", "{" + invited + ", roles: [owner, viewer]}", nil},
		"Everything":      {"all at once", "{" + invited + ", roles: [viewer], kubernetesRole: '', projects: ['*'], groups: [web], type: TransferOwnership, sendEmail: false, acceptURL: 'https://e.com/a?b=c', signInURL: 'https://e.com', message: 'Grüße, schön \"dich\" <da> zu haben 🎉', revoked: false}", nil},
		"OddLinks":        {"links are for the operator to judge, as it says why", "{" + invited + `, acceptURL: '/\e', signInURL: 'javascript:alert(1)'}`, nil},
		"NoEmail":         {"required", "{invitedBy: {username: ada}}", []string{"spec.email: Required"}},
		"NoInviter":       {"required", "{email: j@example.com}", []string{"spec.invitedBy: Required"}},
		"NamelessInviter": {"by name", "{email: j@example.com, invitedBy: {email: a@example.com}}", []string{"must have a username"}},
		"NoDomain":        {"an address", email("jane"), []string{"spec.email"}},
		"NoDot":           {"a domain with a dot", email("jane@localhost"), []string{"spec.email"}},
		"DisplayName":     {"nothing but an address", email("'Jane <j@example.com>'"), []string{"spec.email"}},
		"Two":             {"one address", email("'j@example.com,k@example.com'"), []string{"spec.email"}},
		"Quoted":          {"no quoted local part", email(`'"j k"@example.com'`), []string{"spec.email"}},
		"Control":         {"no control characters", email(`"j\u0001@example.com"`), []string{"spec.email"}},
		"Newline":         {"no second header", email(`"j@example.com\r\nBcc: k@example.com"`), []string{"spec.email"}},
		"TrailingLine":    {"not even at the end", email(`"j@example.com\n"`), []string{"spec.email"}},
		"NonASCII":        {"ASCII local part", email("jané@example.com"), []string{"spec.email"}},
		"Kelvin":          {"what looks like ASCII and is not", email("\u212aim@example.com"), []string{"spec.email"}},
		"UpperCase":       {"lower case", email("Jane@example.com"), []string{"spec.email"}},
		"Long":            {"255 characters", email("jane@" + long[:250]), []string{"spec.email"}},
		"MessageLine":     {"one line", "{" + invited + `, message: "a\r\nBcc: k@example.com"}`, []string{"spec.message"}},
		"MessageNEL":      {"of any kind", "{" + invited + `, message: "a\u0085b"}`, []string{"spec.message"}},
		"MessageLS":       {"of any kind", "{" + invited + `, message: "a\u2028b"}`, []string{"spec.message"}},
		"LongMessage":     {"bounded", "{" + invited + ", message: " + strings.Repeat("a", 1025) + "}", []string{"spec.message"}},
		"LinkSpace":       {"printable", "{" + invited + ", acceptURL: 'https://e.com/a b'}", []string{"spec.acceptURL"}},
		"LinkLine":        {"printable", "{" + invited + `, signInURL: "https://e.com/\r\nX: y"}`, []string{"spec.signInURL"}},
		"InviterLine":     {"printable", `{email: j@example.com, invitedBy: {username: "a\r\nBcc: x"}}`, []string{"spec.invitedBy.username"}},
		"Type":            {"two types", "{" + invited + ", type: Steal}", []string{"spec.type"}},
		"Roles":           {"8 roles", "{" + invited + ", roles: " + names(9) + "}", []string{"spec.roles"}},
		"Projects":        {"all or some", "{" + invited + ", projects: ['*', web]}", []string{"must name '*' alone"}},
		"BornRevoked":     {"revoked from the start is odd, and harmless", "{" + invited + ", revoked: true}", nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := invitation(t, "i-"+strings.ToLower(name), tc.spec)
			err := environment.AdminClient(t).Create(context.Background(), i, client.DryRunAll)
			checkAnswer(t, tc.reason, err, tc.want)
			status, _, _ := unstructured.NestedInt64(i.Object, "status", "observedGeneration")
			if err == nil && status != -1 {
				t.Errorf("%s: status.observedGeneration is %d, want -1", tc.reason, status)
			}
			if spec := i.Object["spec"].(map[string]any); name == "Least" && len(spec) != 2 {
				t.Errorf("a default would be a difference for whoever keeps it in Git: %v", spec)
			}
		})
	}
}

// TestInvitationsStay: what was promised does not change, whether a field is changed, added, removed or nulled.
func TestInvitationsStay(t *testing.T) {
	t.Parallel()
	const full = "{" + invited + ", roles: [viewer], kubernetesRole: view, projects: [web], groups: [web], type: Join, " +
		"sendEmail: true, acceptURL: 'https://e.com', signInURL: 'https://e.com', message: hello}"
	const least = "{" + invited + "}"
	cases := map[string]struct {
		from, patch string
		want        []string
	}{
		"Email":             {full, `{"email": "k@example.com"}`, []string{"email must not change"}},
		"Inviter":           {full, `{"invitedBy": {"username": "eve"}}`, []string{"invitedBy must not change"}},
		"InviterGroups":     {full, `{"invitedBy": {"groups": ["root"]}}`, []string{"invitedBy must not change"}},
		"Roles":             {full, `{"roles": ["admin"]}`, []string{"roles must not change"}},
		"RolesRemoved":      {full, `{"roles": null}`, []string{"roles must not"}},
		"RolesAdded":        {least, `{"roles": ["admin"]}`, []string{"roles must not"}},
		"KubernetesRole":    {full, `{"kubernetesRole": "edit"}`, []string{"kubernetesRole must not"}},
		"KubernetesRemoved": {full, `{"kubernetesRole": null}`, []string{"kubernetesRole must not"}},
		"KubernetesAdded":   {least, `{"kubernetesRole": "edit"}`, []string{"kubernetesRole must not"}},
		"Projects":          {full, `{"projects": ["*"]}`, []string{"projects must not"}},
		"ProjectsRemoved":   {full, `{"projects": null}`, []string{"projects must not"}},
		"ProjectsAdded":     {least, `{"projects": ["*"]}`, []string{"projects must not"}},
		"Groups":            {full, `{"groups": ["data"]}`, []string{"groups must not"}},
		"GroupsRemoved":     {full, `{"groups": null}`, []string{"groups must not"}},
		"GroupsAdded":       {least, `{"groups": ["data"]}`, []string{"groups must not"}},
		"Type":              {full, `{"type": "TransferOwnership"}`, []string{"type must not"}},
		"TypeRemoved":       {full, `{"type": null}`, []string{"type must not"}},
		"TypeAdded":         {least, `{"type": "TransferOwnership"}`, []string{"type must not"}},
		"SendEmail":         {full, `{"sendEmail": false}`, []string{"sendEmail must not"}},
		"SendEmailRemoved":  {full, `{"sendEmail": null}`, []string{"sendEmail must not"}},
		"SendEmailAdded":    {least, `{"sendEmail": false}`, []string{"sendEmail must not"}},
		"Message":           {full, `{"message": "bye"}`, []string{"message must not"}},
		"MessageRemoved":    {full, `{"message": null}`, []string{"message must not"}},
		"MessageAdded":      {least, `{"message": "bye"}`, []string{"message must not"}},
		"Links":             {full, `{"acceptURL": "https://f.com", "signInURL": null}`, nil},
		"LinksAdded":        {least, `{"acceptURL": "https://f.com", "signInURL": "https://f.com"}`, nil},
		"Revoked":           {full, `{"revoked": true}`, nil},
		"NotRevoked":        {full, `{"revoked": false}`, nil},
		"RevokedTakenBack":  {"{" + invited + ", revoked: true}", `{"revoked": false}`, []string{"revoked must stay true"}},
		"RevokedTakenAway":  {"{" + invited + ", revoked: true}", `{"revoked": null}`, []string{"revoked must stay true"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := invitation(t, "stay-"+strings.ToLower(name), tc.from)
			create(t, i)
			patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec": `+tc.patch+`}`))
			checkAnswer(t, name, environment.AdminClient(t).Patch(context.Background(), i, patch), tc.want)
		})
	}
}

// TestAnswers: one answer, in time, by whom was invited, to what is open. By a merge patch, which knows no resourceVersion.
func TestAnswers(t *testing.T) {
	t.Parallel()
	by := func(who, at string) string {
		return fmt.Sprintf(`{"username": %q, "email": "j@example.com", "time": %q}`, who, at)
	}
	const (
		open    = `{"expireTime": "2026-03-08T12:00:00Z"}`
		inTime  = "2026-03-08T11:59:59Z"
		onTime  = "2026-03-08T12:00:00Z"
		revoked = ", revoked: true"
	)
	accepted := `{"expireTime": "2026-03-08T12:00:00Z", "acceptedBy": ` + by("jane", inTime) + `}`
	cases := map[string]struct {
		spec string
		// status that is there, and patch of the object.
		status, patch string
		want          []string
	}{
		"Accept":           {"", open, `{"status": {"acceptedBy": ` + by("jane", inTime) + `}}`, nil},
		"Decline":          {"", open, `{"status": {"declinedBy": ` + by("jane", inTime) + `}}`, nil},
		"AcceptMillis":     {"", open, `{"status": {"acceptedBy": ` + by("jane", "2026-03-08T13:59:59.999+02:00") + `}}`, nil},
		"AcceptOnExpiry":   {"", open, `{"status": {"acceptedBy": ` + by("jane", onTime) + `}}`, []string{"must be before expireTime"}},
		"DeclineOnExpiry":  {"", open, `{"status": {"declinedBy": ` + by("jane", onTime) + `}}`, []string{"must be before expireTime"}},
		"AcceptUnseen":     {"", `{"observedGeneration": 1}`, `{"status": {"acceptedBy": ` + by("jane", inTime) + `}}`, []string{"must be before expireTime"}},
		"AcceptAndExtend":  {"", open, `{"status": {"expireTime": "2027-01-01T00:00:00Z", "acceptedBy": ` + by("jane", "2026-12-31T00:00:00Z") + `}}`, nil},
		"OtherAddress":     {"", open, `{"status": {"acceptedBy": {"username": "eve", "email": "eve@example.com", "time": "` + inTime + `"}}}`, []string{"must be the invited address"}},
		"OtherDeclines":    {"", open, `{"status": {"declinedBy": {"username": "eve", "email": "eve@example.com", "time": "` + inTime + `"}}}`, []string{"must be the invited address"}},
		"AcceptRevoked":    {revoked, open, `{"status": {"acceptedBy": ` + by("jane", inTime) + `}}`, []string{"must not be answered once it was revoked"}},
		"DeclineRevoked":   {revoked, open, `{"status": {"declinedBy": ` + by("jane", inTime) + `}}`, []string{"must not be answered once it was revoked"}},
		"RevokeAccepted":   {"", accepted, `{"spec": {"revoked": true}}`, []string{"must not be revoked once it was answered"}},
		"SecondAccepter":   {"", accepted, `{"status": {"acceptedBy": ` + by("eve", inTime) + `}}`, []string{"acceptedBy must not change"}},
		"AcceptTakenBack":  {"", accepted, `{"status": {"acceptedBy": null}}`, []string{"acceptedBy must not change"}},
		"StatusTakenAway":  {"", accepted, `{"status": null}`, []string{"acceptedBy must not change"}},
		"DeclineAccepted":  {"", accepted, `{"status": {"declinedBy": ` + by("jane", inTime) + `}}`, []string{"one of acceptedBy and declinedBy"}},
		"AcceptExpired":    {"", `{"expireTime": "2026-03-08T12:00:00Z", "outcome": "Expired"}`, `{"status": {"acceptedBy": ` + by("jane", inTime) + `}}`, []string{"outcome must be what the answer says"}},
		"AcceptMember":     {"", `{"expireTime": "2026-03-08T12:00:00Z", "outcome": "AlreadyMember"}`, `{"status": {"acceptedBy": ` + by("jane", inTime) + `}}`, []string{"outcome must be"}},
		"ExpiredAccepted":  {"", accepted, `{"status": {"outcome": "Expired"}}`, []string{"outcome must be what the answer says"}},
		"AcceptedUnasked":  {"", open, `{"status": {"outcome": "Accepted"}}`, []string{"outcome must be what the answer says"}},
		"LeaveRevoked":     {revoked, `{"outcome": "Revoked"}`, `{"status": {"outcome": null}}`, []string{"outcome must not change"}},
		"LeaveExpired":     {"", `{"outcome": "Expired"}`, `{"status": {"outcome": null}}`, nil},
		"ReviveAsAccepted": {revoked, `{"outcome": "Revoked"}`, `{"status": {"outcome": "Expired"}}`, []string{"outcome must not change"}},
		"LeapSecond":       {"", open, `{"status": {"acceptedBy": ` + by("jane", "2026-03-08T11:59:60Z") + `}}`, []string{"time"}},
		"SpaceInTime":      {"", open, `{"status": {"acceptedBy": ` + by("jane", "2026-03-08 11:59:59Z") + `}}`, []string{"time"}},
		"LowerCaseTime":    {"", open, `{"status": {"acceptedBy": ` + by("jane", "2026-03-08t11:59:59z") + `}}`, []string{"time"}},
		"OddOffset":        {"", open, `{"status": {"acceptedBy": ` + by("jane", "2026-03-08T11:59:59+24:00") + `}}`, []string{"time"}},
		"SystemAccepter":   {"", open, `{"status": {"acceptedBy": ` + by("system:admin", inTime) + `}}`, []string{"must not start with 'system:'"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, admin := context.Background(), environment.AdminClient(t)
			i := invitation(t, "answer-"+strings.ToLower(name), "{"+invited+tc.spec+"}")
			create(t, i)
			merge := func(body string) client.Patch { return client.RawPatch("application/merge-patch+json", []byte(body)) }
			if err := admin.Status().Patch(ctx, i, merge(`{"status": `+tc.status+`}`)); err != nil {
				t.Fatal(err)
			}
			version := i.GetResourceVersion()
			var err error
			if strings.Contains(tc.patch, `"spec"`) {
				err = admin.Patch(ctx, i, merge(tc.patch))
			} else {
				err = admin.Status().Patch(ctx, i, merge(tc.patch))
			}
			checkAnswer(t, name, err, tc.want)
			stored := &v1alpha1.Invitation{}
			if err := admin.Get(ctx, client.ObjectKeyFromObject(i), stored); err != nil {
				t.Fatalf("what is stored must be readable: %v", err)
			}
			if tc.want != nil && stored.ResourceVersion != version {
				t.Errorf("a refused answer changed something")
			}
		})
	}
}

// TestSixteenAnswers: of sixteen at once, one is recorded, with a resourceVersion and without.
func TestSixteenAnswers(t *testing.T) {
	t.Parallel()
	ctx, admin := context.Background(), environment.AdminClient(t)
	for name, patch := range map[string]func(who string, version string) client.Patch{
		"update": func(who, version string) client.Patch {
			return client.RawPatch("application/merge-patch+json", fmt.Appendf(nil,
				`{"metadata": {"resourceVersion": %q}, "status": {"acceptedBy": {"username": %q, "email": "j@example.com", "time": "2026-01-01T00:00:00Z"}}}`, version, who))
		},
		"merge-patch": func(who, _ string) client.Patch {
			return client.RawPatch("application/merge-patch+json", fmt.Appendf(nil,
				`{"status": {"acceptedBy": {"username": %q, "email": "j@example.com", "time": "2026-01-01T00:00:00Z"}}}`, who))
		},
	} {
		i := invitation(t, "sixteen-"+name, "{"+invited+"}")
		create(t, i)
		open := client.RawPatch("application/merge-patch+json", []byte(`{"status": {"expireTime": "2030-01-01T00:00:00Z"}}`))
		if err := admin.Status().Patch(ctx, i, open); err != nil {
			t.Fatal(err)
		}
		var won atomic.Int32
		var group sync.WaitGroup
		for k := range 16 {
			group.Go(func() {
				err := admin.Status().Patch(ctx, i.DeepCopy(), patch(fmt.Sprintf("user%d", k), i.GetResourceVersion()))
				switch {
				case err == nil:
					won.Add(1)
				case !apierrors.IsConflict(err) && !apierrors.IsInvalid(err):
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		group.Wait()
		if won.Load() != 1 {
			t.Errorf("%s: %d of 16 won, want 1", name, won.Load())
		}
	}
}

func TestInvitationByAddress(t *testing.T) {
	t.Parallel()
	create(t, invitation(t, "selected-i", "{email: chosen@example.com, invitedBy: {username: ada}}"))
	list := &v1alpha1.InvitationList{}
	err := environment.AdminClient(t).List(context.Background(), list, client.InNamespace(home(t)),
		client.MatchingFields{"spec.email": "chosen@example.com"})
	if err != nil || len(list.Items) != 1 {
		t.Errorf("found %d, %v, want the one", len(list.Items), err)
	}
}

// TestTimesDecode: whatever time the API server stores, Go can read: one that it cannot would stop every reader.
func TestTimesDecode(t *testing.T) {
	t.Parallel()
	ctx, admin := context.Background(), environment.AdminClient(t)
	for k, at := range []string{
		"2026-01-01T00:00:00Z", "2026-01-01T23:59:59.123456789+14:00", "2026-01-01T24:00:00Z", "2026-02-30T00:00:00Z",
		"0000-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "2026-01-01T00:00:00+00:60", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00,5Z",
	} {
		i := invitation(t, fmt.Sprintf("time-%d", k), "{"+invited+"}")
		create(t, i)
		body := fmt.Appendf(nil, `{"status": {"expireTime": "9999-12-31T23:59:59Z", "acceptedBy": {"username": "j", "email": "j@example.com", "time": %q}}}`, at)
		err := admin.Status().Patch(ctx, i, client.RawPatch("application/merge-patch+json", body))
		if _, unreadable := time.Parse(time.RFC3339, at); unreadable != nil && err == nil {
			t.Errorf("%s is stored, and Go cannot read it", at)
		}
	}
}
