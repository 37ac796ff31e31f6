package v1alpha1_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/testenv"
)

var environment *testenv.Environment

func TestMain(m *testing.M) { os.Exit(testenv.Run(m, &environment)) }

// text is an object as somebody would write it, so that fields can be absent, null or of another type.
func text(t *testing.T, kind, namespace, name, body string) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.ToJSON([]byte("apiVersion: enrol.dev/v1alpha1\nkind: " + kind + "\n" + body))
	if err != nil {
		t.Fatal(err)
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	object.SetNamespace(namespace)
	object.SetName(name)
	return object
}

func organisation(t *testing.T, name, spec string) *unstructured.Unstructured {
	t.Helper()
	return text(t, "Organisation", "", name, "spec: "+spec)
}

func member(t *testing.T, name, spec string) *unstructured.Unstructured {
	t.Helper()
	return text(t, "Member", home(t), name, "spec: "+spec)
}

// home makes the home namespace of these tests, if nobody has yet.
func home(t *testing.T) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: v1alpha1.HomeNamespacePrefix + "cel", Labels: map[string]string{v1alpha1.LabelHomeOf: "cel"},
	}}
	if err := environment.AdminClient(t).Create(context.Background(), namespace); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	return namespace.Name
}

func create(t *testing.T, object client.Object) {
	t.Helper()
	if err := environment.AdminClient(t).Create(context.Background(), object); err != nil {
		t.Fatal(err)
	}
}

// checkAnswer compares an answer with what is wanted: nil where nothing is, else a refusal that says all of it.
func checkAnswer(t *testing.T, reason string, err error, want []string) {
	t.Helper()
	if len(want) == 0 {
		if err != nil {
			t.Errorf("%s\ngot %v, want no error", reason, err)
		}
		return
	}
	if !apierrors.IsInvalid(err) {
		t.Errorf("%s\ngot %v, want Invalid", reason, err)
		return
	}
	for _, part := range want {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s\ngot %q, want it to contain %q", reason, err, part)
		}
	}
}

// usernames are refused in each field that takes one.
var usernames = map[string]struct {
	reason, value string
	want          string
}{
	"Masters":       {reason: "The group of cluster admins.", value: `"system:masters"`, want: "must not start with 'system:'"},
	"MixedCase":     {reason: "In any case.", value: `"System:x"`, want: "must not start with 'system:'"},
	"UpperCase":     {reason: "In any case.", value: `"SYSTEM:anonymous"`, want: "must not start with 'system:'"},
	"LeadingBlank":  {reason: "Trimmed somewhere, it would be another name.", value: `" system:x"`, want: "should match"},
	"TrailingBlank": {reason: "Trimmed somewhere, it would be another name.", value: `"jane "`, want: "should match"},
	"TwoBlanks":     {reason: "Looks like one.", value: `"jane  doe"`, want: "should match"},
	"Tab":           {reason: "Looks like a blank.", value: `"jane\tdoe"`, want: "should match"},
	"FullColon":     {reason: "Looks like system: and folds to it.", value: `"system：masters"`, want: "should match"},
	"FullLetters":   {reason: "Looks like system: and folds to it.", value: `"ｓｙｓｔｅｍ:masters"`, want: "should match"},
	"LongS":         {reason: "Folds to an s.", value: `"ſystem:masters"`, want: "should match"},
	"Blank":         {reason: "Nobody.", value: `" "`, want: "should match"},
	"Empty":         {reason: "Nobody.", value: `""`, want: "should be at least 1 chars long"},
	"Star":          {reason: "Everybody, to a reader.", value: `"*"`, want: "must not be '*'"},
	"Newline":       {reason: "Two lines in a log.", value: `"jane\ndoe"`, want: "should match"},
	"LastNewline":   {reason: "$ must not stand for the end of a line.", value: `"jane\n"`, want: "should match"},
	"Nul":           {reason: "The end of a string, to some.", value: `"jane\0"`, want: "should match"},
	"ZeroWidth":     {reason: "Looks like system:, or like somebody else.", value: `"jane\u200b"`, want: "should match"},
	"Bidirectional": {reason: "Reads backwards.", value: `"\u202enaja"`, want: "should match"},
	"ByteOrderMark": {reason: "Cannot be seen.", value: `"\ufeffjane"`, want: "should match"},
	"256":           {reason: "Longer than the limit.", value: `"` + strings.Repeat("a", 256) + `"`, want: "may not be more than 255"},
	"Number":        {reason: "No text.", value: "7", want: "must be of type string"},
	"255":           {reason: "As long as may be.", value: `"` + strings.Repeat("a", 255) + `"`},
	"Spaced":        {reason: "Single inner blanks are fine.", value: `"Jane Q Doe"`},
	"Address":       {reason: "As many identity providers have it.", value: `"jane@example.com"`},
	"Prefixed":      {reason: "As the API server makes it with a prefix.", value: `"oidc:https://id.example.com/a#1"`},
	"Systematic":    {reason: "Only the colon makes it Kubernetes' own.", value: `"systematic"`},
	"Starred":       {reason: "A star within is a character.", value: `"a*"`},
}

func TestUsernames(t *testing.T) {
	t.Parallel()
	admin := environment.AdminClient(t)
	for name, tc := range usernames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fields := map[string]*unstructured.Unstructured{
				"spec.username":           member(t, "m", "{username: "+tc.value+"}"),
				"spec.group":              member(t, "m", "{group: "+tc.value+"}"),
				"spec.owners[0].username": organisation(t, "usernames", "{owners: [{username: "+tc.value+"}]}"),
			}
			if strings.Contains(tc.want, "should match") {
				// It only tells who asked, so system:... is fine.
				fields["spec.invitedBy.username"] = member(t, "m", "{username: x, invitedBy: {username: "+tc.value+"}}")
				fields["spec.invitedBy.groups[0]"] = member(t, "m", "{username: x, invitedBy: {groups: ["+tc.value+"]}}")
			}
			for field, object := range fields {
				var want []string
				if tc.want != "" {
					want = []string{field, tc.want}
				}
				checkAnswer(t, field+": "+tc.reason, admin.Create(context.Background(), object, client.DryRunAll), want)
			}
		})
	}
}

func TestEmails(t *testing.T) {
	t.Parallel()
	admin := environment.AdminClient(t)
	label := strings.Repeat("a", 61)
	cases := map[string]struct{ reason, value, want string }{
		"Plain":         {reason: "An address.", value: "jane@example.com"},
		"Plus":          {reason: "With a tag.", value: "jane.doe+enrol@mail.example.co.uk"},
		"Longest":       {reason: "254 characters.", value: strings.Repeat("a", 64) + "@" + label + "." + label + "." + label + ".aaa"},
		"UpperCase":     {reason: "Compared as it is, so there is one way to write it.", value: "Jane@example.com", want: "should match"},
		"UpperDomain":   {reason: "The same for the domain.", value: "jane@Example.com", want: "should match"},
		"NoDomain":      {reason: "Nobody can send there.", value: "jane@", want: "should match"},
		"NoDot":         {reason: "Nor there.", value: "jane@localhost", want: "should match"},
		"NoAt":          {reason: "No address.", value: "jane.example.com", want: "should match"},
		"NoLocal":       {reason: "No address.", value: "@example.com", want: "should match"},
		"TwoAts":        {reason: "Two readings.", value: "jane@evil.com@example.com", want: "should match"},
		"Name":          {reason: "An address and nothing else.", value: "Jane <jane@example.com>", want: "should match"},
		"Comma":         {reason: "One address.", value: "jane@example.com,joe@example.com", want: "should match"},
		"Blank":         {reason: "No blanks.", value: "jane @example.com", want: "should match"},
		"Header":        {reason: "A header of the mail.", value: `jane@example.com\nBcc: x@example.com`, want: "should match"},
		"LastNewline":   {reason: "$ must not stand for the end of a line.", value: `jane@example.com\n`, want: "should match"},
		"Unicode":       {reason: "Looks like another.", value: "jаne@example.com", want: "should match"},
		"Hyphen":        {reason: "No label starts with one.", value: "jane@-example.com", want: "should match"},
		"DoubleDot":     {reason: "No empty part.", value: "jane..doe@example.com", want: "should match"},
		"LongLocal":     {reason: "65 characters before the @.", value: strings.Repeat("a", 65) + "@example.com", want: "must have at most 64 characters before the @"},
		"255":           {reason: "Longer than mail allows.", value: strings.Repeat("a", 64) + "@" + label + "." + label + "." + label + ".aaaa", want: "may not be more than 254"},
		"ZeroWidth":     {reason: "Cannot be seen.", value: `jane\u200b@example.com`, want: "should match"},
		"DomainNewline": {reason: "Cannot be seen.", value: `jane@example.com\u2028`, want: "should match"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for field, object := range map[string]*unstructured.Unstructured{
				"spec.email":           member(t, "m", `{email: "`+tc.value+`"}`),
				"spec.invitedBy.email": member(t, "m", `{username: x, invitedBy: {email: "`+tc.value+`"}}`),
				"spec.owners[0].email": organisation(t, "emails", `{owners: [{username: x, email: "`+tc.value+`"}]}`),
			} {
				var want []string
				if tc.want != "" {
					want = []string{field, tc.want}
				}
				checkAnswer(t, field+": "+tc.reason, admin.Create(context.Background(), object, client.DryRunAll), want)
			}
		})
	}
}

// names is a YAML list of n different names.
func names(n int) string {
	var all []string
	for i := range n {
		all = append(all, "r"+strings.Repeat("x", i))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func TestMembers(t *testing.T) {
	t.Parallel()
	admin := environment.AdminClient(t)
	cases := map[string]struct {
		reason, spec string
		want         []string
	}{
		"Username":         {reason: "By name.", spec: "{username: jane}"},
		"Email":            {reason: "By address.", spec: "{email: jane@example.com}"},
		"Both":             {reason: "By both.", spec: "{username: jane, email: jane@example.com}"},
		"Group":            {reason: "A group.", spec: "{group: team}"},
		"Full":             {reason: "Every field.", spec: "{username: jane, email: jane@example.com, roles: [admin, lead], kubernetesRole: cluster-admin, projects: [web, data], groups: [a], invitedBy: {username: ada, email: ada@example.com, groups: ['system:authenticated']}, expireTime: '2030-01-01T00:00:00Z', suspend: true}"},
		"Nobody":           {reason: "Somebody must be named.", spec: "{roles: [viewer]}", want: []string{"spec", "must name a person by username, email or both, or else a group"}},
		"Nothing":          {reason: "Somebody must be named.", spec: "{}", want: []string{"spec", "must name a person"}},
		"NoSpec":           {reason: "Somebody must be named.", spec: "", want: []string{"spec"}},
		"GroupAndName":     {reason: "A person or a group.", spec: "{username: jane, group: team}", want: []string{"spec", "must name a person"}},
		"GroupAndEmail":    {reason: "A person or a group.", spec: "{email: jane@example.com, group: team}", want: []string{"spec", "must name a person"}},
		"GroupAndBoth":     {reason: "A person or a group.", spec: "{username: jane, email: jane@example.com, group: team}", want: []string{"spec", "must name a person"}},
		"Owner":            {reason: "Owners are in the Organisation.", spec: "{username: jane, roles: [viewer, owner]}", want: []string{"spec", "roles must not name owner"}},
		"UnknownRole":      {reason: "Only the Organisation knows its roles.", spec: "{username: jane, roles: [unheard-of]}"},
		"NoRoles":          {reason: "The default role.", spec: "{username: jane, roles: []}"},
		"TextRoles":        {reason: "Nor is a text.", spec: "{username: jane, roles: admin}", want: []string{"spec.roles", "must be of type array"}},
		"EightRoles":       {reason: "As many as may be.", spec: "{username: jane, roles: " + names(8) + "}"},
		"NineRoles":        {reason: "The policy on grants asks for 8.", spec: "{username: jane, roles: " + names(9) + "}", want: []string{"spec.roles", "must have at most 8 items"}},
		"RoleTwice":        {reason: "A set.", spec: "{username: jane, roles: [viewer, viewer]}", want: []string{"spec.roles[1]", "Duplicate value"}},
		"RoleUpperCase":    {reason: "Names are in lower case.", spec: "{username: jane, roles: [Owner]}", want: []string{"spec.roles[0]", "should match"}},
		"RoleEmpty":        {reason: "No name.", spec: "{username: jane, roles: ['']}", want: []string{"spec.roles[0]"}},
		"RoleSlash":        {reason: "Part of a path.", spec: "{username: jane, roles: ['a/b']}", want: []string{"spec.roles[0]", "should match"}},
		"RoleLong":         {reason: "A label.", spec: "{username: jane, roles: [" + strings.Repeat("a", 64) + "]}", want: []string{"spec.roles[0]", "may not be more than 63"}},
		"NoKubernetes":     {reason: "The empty role is none.", spec: `{username: jane, kubernetesRole: ""}`},
		"UnknownKubernets": {reason: "There are three.", spec: "{username: jane, kubernetesRole: admin}", want: []string{"spec.kubernetesRole", `supported values: "cluster-admin", "edit", "view", ""`}},
		"AllProjects":      {reason: "All.", spec: "{username: jane, projects: ['*']}"},
		"NoProjects":       {reason: "None.", spec: "{username: jane, projects: []}"},
		"TextProjects":     {reason: "Nor a text.", spec: "{username: jane, projects: '*'}", want: []string{"spec.projects", "must be of type array"}},
		"AllAndOne":        {reason: "All or some.", spec: "{username: jane, projects: ['*', web]}", want: []string{"spec.projects", "must name '*' alone or not at all"}},
		"AllTwice":         {reason: "Once is all.", spec: "{username: jane, projects: ['*', '*']}", want: []string{"spec.projects", "must name '*' alone"}},
		"ProjectPattern":   {reason: "No patterns.", spec: "{username: jane, projects: ['web-*']}", want: []string{"spec.projects[0]", "should match"}},
		"ProjectEmpty":     {reason: "No name.", spec: "{username: jane, projects: ['']}", want: []string{"spec.projects[0]"}},
		"ProjectDot":       {reason: "Namespaces are labels.", spec: "{username: jane, projects: [a.b]}", want: []string{"spec.projects[0]", "should match"}},
		"ProjectLong":      {reason: "Namespaces are labels.", spec: "{username: jane, projects: [" + strings.Repeat("a", 64) + "]}", want: []string{"spec.projects[0]", "may not be more than 63"}},
		"ManyProjects":     {reason: "Bounded.", spec: "{username: jane, projects: [a" + strings.Repeat(", a", 256) + "]}", want: []string{"spec.projects", "must have at most 256 items"}},
		"EightGroups":      {reason: "As many as may be.", spec: "{username: jane, groups: " + names(8) + "}"},
		"NineGroups":       {reason: "The policy on grants asks for 8.", spec: "{username: jane, groups: " + names(9) + "}", want: []string{"spec.groups", "must have at most 8 items"}},
		"GroupTwice":       {reason: "A set.", spec: "{username: jane, groups: [a, a]}", want: []string{"spec.groups[1]", "Duplicate value"}},
		"GroupName":        {reason: "Names are in lower case.", spec: "{username: jane, groups: [A]}", want: []string{"spec.groups[0]", "should match"}},
		"InvitedByNobody":  {reason: "Somebody, or the field is left out.", spec: "{username: jane, invitedBy: {}}", want: []string{"spec.invitedBy", "should have at least 1 properties"}},
		"ManyGroupsOf":     {reason: "Bounded.", spec: "{username: jane, invitedBy: {groups: " + names(33) + "}}", want: []string{"spec.invitedBy.groups", "must have at most 32 items"}},
		"LowercaseTime":    {reason: "The operator could not read it, nor any other Member.", spec: "{username: jane, expireTime: '2030-01-01t00:00:00z'}", want: []string{"spec.expireTime", "should match"}},
		"TrailingTime":     {reason: "The same.", spec: "{username: jane, expireTime: '2030-01-01T00:00:00ZT'}", want: []string{"spec.expireTime", "should match"}},
		"ZoneTime":         {reason: "The same.", spec: "{username: jane, expireTime: '2030-01-01T00:00:00+99:99'}", want: []string{"spec.expireTime", "should match"}},
		"LeapTime":         {reason: "The same.", spec: "{username: jane, expireTime: '2016-12-31T23:59:60Z'}", want: []string{"spec.expireTime"}},
		"DayTime":          {reason: "The same.", spec: "{username: jane, expireTime: '2030-02-30T00:00:00Z'}", want: []string{"spec.expireTime"}},
		"ZonedTime":        {reason: "Any zone, and fractions.", spec: "{username: jane, expireTime: '2030-01-01T00:00:00.123456789+13:45'}"},
		"ExpireTime":       {reason: "A time.", spec: "{username: jane, expireTime: tomorrow}", want: []string{"spec.expireTime", "date-time"}},
		"Suspend":          {reason: "True or false.", spec: "{username: jane, suspend: 'yes'}", want: []string{"spec.suspend", "must be of type boolean"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := member(t, "m", "{}")
			if tc.spec == "" {
				delete(object.Object, "spec")
			} else {
				object = member(t, "m", tc.spec)
			}
			checkAnswer(t, tc.reason, admin.Create(context.Background(), object, client.DryRunAll), tc.want)
		})
	}
}

func TestOrganisations(t *testing.T) {
	t.Parallel()
	admin := environment.AdminClient(t)
	with := func(rest string) string { return "{owners: [{username: ada}], " + rest + "}" }
	mapping := func(clusterRole string) string {
		return with(`kubernetesRoles: [{name: edit, clusterRole: "` + clusterRole + `"}]`)
	}
	cases := map[string]struct {
		reason string
		// name is that of the Organisation; left out, "cel".
		name, spec string
		want       []string
	}{
		"Smallest":         {reason: "One owner is all it needs.", spec: "{owners: [{username: ada}]}"},
		"Full":             {reason: "Every field.", spec: with("slug: a_b-1, displayName: Acme & Söhne, logoURL: 'https://example.com/a.png', roles: [{name: lead, displayName: Lead, basedOn: admin, kubernetesRole: edit}, {name: viewer, kubernetesRole: ''}, {name: owner, displayName: Boss}], defaultRole: developer, groups: [{name: web, kubernetesRole: edit, projects: [web]}], kubernetesRoles: [{name: edit, clusterRole: 'team:deployer'}], invitations: {validForSeconds: 60, allowedEmailDomains: [example.com], allowedLinkOrigins: ['https://example.com:8443'], maxPer24Hours: 0}, suspend: true")},
		"LongestName":      {reason: "org- makes it 63.", name: strings.Repeat("a", 59), spec: "{owners: [{username: ada}]}"},
		"LongName":         {reason: "org- would make it 64.", name: strings.Repeat("a", 60), spec: "{owners: [{username: ada}]}", want: []string{"metadata.name must be a DNS label of at most 59 characters"}},
		"NameWithDot":      {reason: "No namespace has one.", name: "a.b", spec: "{owners: [{username: ada}]}", want: []string{"metadata.name must be a DNS label"}},
		"NoSpec":           {reason: "Somebody owns it.", spec: "", want: []string{"spec"}},
		"NoOwners":         {reason: "Somebody owns it.", spec: "{}", want: []string{"spec.owners", "Required value"}},
		"EmptyOwners":      {reason: "Somebody owns it.", spec: "{owners: []}", want: []string{"spec.owners", "should have at least 1 items"}},
		"NullOwners":       {reason: "Somebody owns it.", spec: "{owners: null}", want: []string{"spec.owners"}},
		"OwnerByEmail":     {reason: "The username is the key.", spec: "{owners: [{email: ada@example.com}]}", want: []string{"spec.owners[0].username", "Required value"}},
		"OwnerTwice":       {reason: "Once.", spec: "{owners: [{username: ada}, {username: ada}]}", want: []string{"spec.owners[1]", "Duplicate value"}},
		"SlugPattern":      {reason: "For URLs.", spec: with("slug: A"), want: []string{"spec.slug", "should match"}},
		"SlugSlash":        {reason: "For URLs.", spec: with("slug: a/b"), want: []string{"spec.slug", "should match"}},
		"SlugEmpty":        {reason: "Left out, not empty.", spec: with("slug: ''"), want: []string{"spec.slug", "should be at least 1 chars long"}},
		"SlugLong":         {reason: "Bounded.", spec: with("slug: " + strings.Repeat("a", 64)), want: []string{"spec.slug", "may not be more than 63"}},
		"DisplayControl":   {reason: "One line.", spec: with(`displayName: "a\nb"`), want: []string{"spec.displayName", "should match"}},
		"DisplayLong":      {reason: "Bounded.", spec: with("displayName: " + strings.Repeat("a", 129)), want: []string{"spec.displayName", "may not be more than 128"}},
		"LogoScript":       {reason: "No script.", spec: with("logoURL: 'javascript:alert(1)'"), want: []string{"spec.logoURL", "should match"}},
		"LogoPlain":        {reason: "No mixed content.", spec: with("logoURL: 'http://example.com/a.png'"), want: []string{"spec.logoURL", "should match"}},
		"LogoQuote":        {reason: "No end of an attribute.", spec: with(`logoURL: "https://example.com/a\"onload=x"`), want: []string{"spec.logoURL", "should match"}},
		"LogoLong":         {reason: "Bounded.", spec: with("logoURL: 'https://" + strings.Repeat("a", 2048) + "'"), want: []string{"spec.logoURL", "may not be more than 2048"}},
		"OwnRole":          {reason: "A role of its own says what it is based on.", spec: with("roles: [{name: lead}]"), want: []string{"spec.roles[0]", "basedOn must be given for an own role"}},
		"BuiltInBased":     {reason: "A built-in role is what it is.", spec: with("roles: [{name: viewer, basedOn: admin}]"), want: []string{"spec.roles[0]", "must not be given for a built-in one"}},
		"BasedOnOwner":     {reason: "Owners are in spec.owners.", spec: with("roles: [{name: boss, basedOn: owner}]"), want: []string{"spec.roles[0].basedOn", `supported values: "admin", "developer", "billing-admin", "viewer"`}},
		"BasedOnOwn":       {reason: "One level.", spec: with("roles: [{name: a, basedOn: admin}, {name: b, basedOn: a}]"), want: []string{"spec.roles[1].basedOn", "supported values"}},
		"BasedOnNothing":   {reason: "A built-in role.", spec: with("roles: [{name: a, basedOn: ''}]"), want: []string{"spec.roles[0].basedOn"}},
		"RoleKubernetes":   {reason: "There are three.", spec: with("roles: [{name: a, basedOn: admin, kubernetesRole: admin}]"), want: []string{"spec.roles[0].kubernetesRole", "supported values"}},
		"RoleTwice":        {reason: "Once.", spec: with("roles: [{name: viewer}, {name: viewer}]"), want: []string{"spec.roles[1]", "Duplicate value"}},
		"RoleName":         {reason: "Names are in lower case.", spec: with("roles: [{name: Viewer, basedOn: viewer}]"), want: []string{"spec.roles[0].name", "should match"}},
		"RoleDisplay":      {reason: "One line.", spec: with(`roles: [{name: viewer, displayName: "a\u0007"}]`), want: []string{"spec.roles[0].displayName", "should match"}},
		"ManyRoles":        {reason: "Bounded.", spec: with("roles: [{name: viewer}" + strings.Repeat(", {name: viewer}", 32) + "]"), want: []string{"spec.roles", "must have at most 32 items"}},
		"DefaultAdmin":     {reason: "Too much to be given by leaving something out.", spec: with("defaultRole: admin"), want: []string{"spec.defaultRole", `supported values: "viewer", "developer", "billing-admin"`}},
		"DefaultOwn":       {reason: "The policy on grants asks for the three.", spec: with("roles: [{name: a, basedOn: viewer}], defaultRole: a"), want: []string{"spec.defaultRole", "supported values"}},
		"DefaultEmpty":     {reason: "Left out, not empty.", spec: with("defaultRole: ''"), want: []string{"spec.defaultRole"}},
		"GroupKubernetes":  {reason: "There are three.", spec: with("groups: [{name: a, kubernetesRole: system}]"), want: []string{"spec.groups[0].kubernetesRole", "supported values"}},
		"GroupAllAndOne":   {reason: "All or some.", spec: with("groups: [{name: a, projects: ['*', web]}]"), want: []string{"spec.groups[0].projects", "must name '*' alone or not at all"}},
		"GroupTwice":       {reason: "Once.", spec: with("groups: [{name: a}, {name: a}]"), want: []string{"spec.groups[1]", "Duplicate value"}},
		"MapSystem":        {reason: "Kubernetes' own.", spec: mapping("system:node"), want: []string{"spec.kubernetesRoles[0].clusterRole", "must not start with 'system:' or 'enrol:'"}},
		"MapSystemCase":    {reason: "In any case.", spec: mapping("System:node"), want: []string{"clusterRole", "must not start with"}},
		"MapOurs":          {reason: "An organisation role in a project.", spec: mapping("enrol:owner"), want: []string{"clusterRole", "must not start with"}},
		"MapOursCase":      {reason: "In any case.", spec: mapping("Enrol:owner"), want: []string{"clusterRole", "must not start with"}},
		"MapSlash":         {reason: "No ClusterRole has one.", spec: mapping("a/b"), want: []string{"clusterRole", "no '/' and no '%'"}},
		"MapPercent":       {reason: "No ClusterRole has one.", spec: mapping("a%2fb"), want: []string{"clusterRole", "no '/' and no '%'"}},
		"MapDots":          {reason: "Part of a path.", spec: mapping(".."), want: []string{"clusterRole", "must be the name of a ClusterRole"}},
		"MapDot":           {reason: "Part of a path.", spec: mapping("."), want: []string{"clusterRole", "must be the name of a ClusterRole"}},
		"MapBlank":         {reason: "No blanks.", spec: mapping(" system:node"), want: []string{"clusterRole", "should match"}},
		"MapEmpty":         {reason: "No name.", spec: mapping(""), want: []string{"clusterRole"}},
		"MapNothing":       {reason: "Something to map.", spec: with("kubernetesRoles: [{name: '', clusterRole: a}]"), want: []string{"spec.kubernetesRoles[0].name", "at least 1 chars long"}},
		"MapUnknown":       {reason: "There are three.", spec: with("kubernetesRoles: [{name: admin, clusterRole: a}]"), want: []string{"spec.kubernetesRoles[0].name", "Unsupported value"}},
		"MapTwice":         {reason: "Once each.", spec: with("kubernetesRoles: [{name: edit, clusterRole: a}, {name: edit, clusterRole: b}]"), want: []string{"spec.kubernetesRoles[1]", "Duplicate value"}},
		"ValidTooShort":    {reason: "A mail takes a while.", spec: with("invitations: {validForSeconds: 59}"), want: []string{"spec.invitations.validForSeconds", "greater than or equal to 60"}},
		"ValidTooLong":     {reason: "A year.", spec: with("invitations: {validForSeconds: 31536001}"), want: []string{"spec.invitations.validForSeconds", "less than or equal to 31536000"}},
		"ExpiredNegative":  {reason: "No time.", spec: with("invitations: {expiredRetentionSeconds: -1}"), want: []string{"spec.invitations.expiredRetentionSeconds"}},
		"AcceptedNegative": {reason: "No time.", spec: with("invitations: {acceptedRetentionSeconds: -1}"), want: []string{"spec.invitations.acceptedRetentionSeconds"}},
		"MailsNegative":    {reason: "No number of mails.", spec: with("invitations: {maxPer24Hours: -1}"), want: []string{"spec.invitations.maxPer24Hours"}},
		"DomainUpper":      {reason: "Compared as it is.", spec: with("invitations: {allowedEmailDomains: [Example.com]}"), want: []string{"spec.invitations.allowedEmailDomains[0]", "should match"}},
		"DomainPattern":    {reason: "No patterns.", spec: with("invitations: {allowedEmailDomains: ['*.example.com']}"), want: []string{"spec.invitations.allowedEmailDomains[0]", "should match"}},
		"OriginPath":       {reason: "An origin has no path.", spec: with("invitations: {allowedLinkOrigins: ['https://example.com/a']}"), want: []string{"spec.invitations.allowedLinkOrigins[0]", "should match"}},
		"OriginUser":       {reason: "It would look like another.", spec: with("invitations: {allowedLinkOrigins: ['https://example.com@evil.com']}"), want: []string{"spec.invitations.allowedLinkOrigins[0]", "should match"}},
		"OriginScheme":     {reason: "For a browser.", spec: with("invitations: {allowedLinkOrigins: ['javascript://example.com']}"), want: []string{"spec.invitations.allowedLinkOrigins[0]", "should match"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.name == "" {
				tc.name = "cel"
			}
			object := organisation(t, tc.name, "{}")
			if tc.spec == "" {
				delete(object.Object, "spec")
			} else {
				object = organisation(t, tc.name, tc.spec)
			}
			checkAnswer(t, tc.reason, admin.Create(context.Background(), object, client.DryRunAll), tc.want)
		})
	}
}

func TestSlugsStay(t *testing.T) {
	t.Parallel()
	const message = "slug must not change, be added or be removed"
	cases := map[string]struct {
		reason, before, after string
		want                  []string
	}{
		"Changed":     {reason: "Links would lead to somebody else.", before: "slug: a, ", after: "slug: b, ", want: []string{"spec", message}},
		"Added":       {reason: "That changes it from metadata.name.", before: "", after: "slug: b, ", want: []string{"spec", message}},
		"Removed":     {reason: "That changes it to metadata.name.", before: "slug: a, ", after: "", want: []string{"spec", message}},
		"Kept":        {reason: "The rest may change.", before: "slug: a, ", after: "slug: a, displayName: A, "},
		"KeptWithout": {reason: "The rest may change.", before: "", after: "displayName: A, "},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, admin := context.Background(), environment.AdminClient(t)
			object := organisation(t, "slug-"+strings.ToLower(name), "{"+tc.before+"owners: [{username: ada}]}")
			create(t, object)
			changed := organisation(t, object.GetName(), "{"+tc.after+"owners: [{username: ada}]}")
			changed.SetResourceVersion(object.GetResourceVersion())
			checkAnswer(t, tc.reason, admin.Update(ctx, changed), tc.want)
			if len(tc.want) == 0 {
				return
			}
			if err := admin.Get(ctx, client.ObjectKeyFromObject(object), changed); err != nil ||
				changed.GetResourceVersion() != object.GetResourceVersion() {
				t.Errorf("%s\nafter a refusal the Organisation is another (%v)", tc.reason, err)
			}
		})
	}
}

// TestOwnersStay: the last owner does not go, by whatever kind of write.
func TestOwnersStay(t *testing.T) {
	t.Parallel()
	ctx, admin := context.Background(), environment.AdminClient(t)
	object := organisation(t, "last-owner", "{owners: [{username: ada}]}")
	create(t, object)
	for reason, patch := range map[string]client.Patch{
		"A merge patch of an empty list.": client.RawPatch("application/merge-patch+json", []byte(`{"spec": {"owners": []}}`)),
		"A merge patch of null.":          client.RawPatch("application/merge-patch+json", []byte(`{"spec": {"owners": null}}`)),
		"A JSON patch.":                   client.RawPatch("application/json-patch+json", []byte(`[{"op": "remove", "path": "/spec/owners/0"}]`)),
	} {
		checkAnswer(t, reason, admin.Patch(ctx, object.DeepCopy(), patch), []string{"spec.owners"})
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	ctx, admin := context.Background(), environment.AdminClient(t)
	o := &v1alpha1.Organisation{}
	create(t, organisation(t, "defaults", "{owners: [{username: ada}]}"))
	if err := admin.Get(ctx, client.ObjectKey{Name: "defaults"}, o); err != nil {
		t.Fatal(err)
	}
	m := member(t, "defaults", "{username: jane}")
	create(t, m)
	generation, _, err := unstructured.NestedInt64(m.Object, "status", "observedGeneration")
	if err != nil {
		t.Fatal(err)
	}
	invitations := o.Spec.Invitations
	for what, values := range map[string][2]int64{
		"Organisation status.observedGeneration": {o.Status.ObservedGeneration, -1},
		"Member status.observedGeneration":       {generation, -1},
		"validForSeconds":                        {*invitations.ValidForSeconds, 7 * 24 * 60 * 60},
		"expiredRetentionSeconds":                {*invitations.ExpiredRetentionSeconds, 60 * 24 * 60 * 60},
		"acceptedRetentionSeconds":               {*invitations.AcceptedRetentionSeconds, 0},
		"maxPer24Hours":                          {int64(*invitations.MaxPer24Hours), 50},
	} {
		if values[0] != values[1] {
			t.Errorf("%s is %d, want %d", what, values[0], values[1])
		}
	}
	if o.Spec.DefaultRole != v1alpha1.RoleViewer {
		t.Errorf("defaultRole is %q, want viewer", o.Spec.DefaultRole)
	}
	// A default in the spec of a Member would be a diff for whoever keeps it in Git.
	if spec := m.Object["spec"].(map[string]any); len(spec) != 1 {
		t.Errorf("the spec of a Member got defaults: %v", spec)
	}
}

// TestNullIsLeftOut: a null from a template gives what leaving the field out gives, never more.
func TestNullIsLeftOut(t *testing.T) {
	t.Parallel()
	m := member(t, "null", "{username: jane, roles: null, kubernetesRole: null, projects: null, groups: null, suspend: null}")
	if err := environment.AdminClient(t).Create(context.Background(), m, client.DryRunAll); err != nil {
		t.Fatal(err)
	}
	if spec := m.Object["spec"].(map[string]any); len(spec) != 1 {
		t.Errorf("the spec became %v, want the username alone", spec)
	}
}

func TestSelectableFields(t *testing.T) {
	t.Parallel()
	ctx, admin := context.Background(), environment.AdminClient(t)
	create(t, member(t, "selected", "{username: selected, email: selected@example.com}"))
	create(t, member(t, "not-selected", "{username: other, email: other@example.com}"))
	for field, value := range map[string]string{"spec.email": "selected@example.com", "spec.username": "selected"} {
		list := &v1alpha1.MemberList{}
		if err := admin.List(ctx, list, client.InNamespace(home(t)), client.MatchingFields{field: value}); err != nil {
			t.Fatal(err)
		}
		if len(list.Items) != 1 || list.Items[0].Name != "selected" {
			t.Errorf("listing by %s finds %d Members, want the one", field, len(list.Items))
		}
	}
}

// TestKubectl covers what the CRDs give to people who type.
func TestKubectl(t *testing.T) {
	t.Parallel()
	create(t, organisation(t, "typed", "{owners: [{username: ada}]}"))
	m := member(t, "typed", "{username: jane, roles: [viewer], projects: ['*'], expireTime: '2030-01-01T00:00:00Z', email: jane@example.com}")
	create(t, m)
	create(t, invitation(t, "typed", "{email: typed@example.com, invitedBy: {username: ada}}"))
	cases := map[string]struct {
		reason string
		args   []string
		want   []string
	}{
		"ShortOrganisation": {reason: "org is short for it.", args: []string{"get", "org", "typed"}, want: []string{"SLUG", "MEMBERS", "PROJECTS", "READY", "REASON", "AGE"}},
		"ShortMember":       {reason: "mbr is short for it.", args: []string{"get", "mbr", "typed", "-n", home(t)}, want: []string{"SUBJECT", "ROLES", "KUBERNETES", "READY", "REASON", `["viewer"]`}},
		"Wide":              {reason: "More, where there is room.", args: []string{"get", "mbr", "typed", "-n", home(t), "-o", "wide"}, want: []string{"EMAIL", "EXPIRES", "PROJECTS", "MESSAGE", "jane@example.com", `["*"]`}},
		"Invitation":        {reason: "Where it stands.", args: []string{"get", "inv", "-n", home(t)}, want: []string{"EMAIL", "ROLES", "READY", "REASON", "EXPIRES", "AGE"}},
		"WideOrganisation":  {reason: "More, where there is room.", args: []string{"get", "org", "typed", "-o", "wide"}, want: []string{"NAMESPACE", "BINDINGS", "MESSAGE"}},
		"Category":          {reason: "All of ours at once.", args: []string{"get", "enrol", "-n", home(t)}, want: []string{"organisation.enrol.dev/typed", "member.enrol.dev/typed"}},
		"Explain":           {reason: "The documentation comes along.", args: []string{"explain", "member.spec.projects"}, want: []string{`["*"]`}},
		"FieldSelector":     {reason: "By address.", args: []string{"get", "mbr", "-n", home(t), "--field-selector", "spec.email=jane@example.com"}, want: []string{"typed"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testenv.Eventually(t, func() error {
				out, err := environment.Kubectl(tc.args...)
				if err != nil {
					return err
				}
				for _, part := range tc.want {
					if !strings.Contains(out, part) {
						return errors.New(tc.reason + ": got " + out + ", want it to contain " + part)
					}
				}
				return nil
			})
		})
	}
}

// TestPlantedObjects covers objects that a rule, made later, would refuse: the operator must be able to say so in
// their status, and their people to delete them.
func TestPlantedObjects(t *testing.T) {
	t.Parallel()
	const owners = "owners: [{username: ada}]"
	cases := map[string]struct {
		reason string
		object *unstructured.Unstructured
	}{
		"Masters":        {reason: "A subject of Kubernetes.", object: member(t, "masters", "{username: 'system:masters'}")},
		"Newline":        {reason: "A pattern.", object: member(t, "newline", `{username: "jane\ndoe", email: Jane@Example.com}`)},
		"LongUsername":   {reason: "A bound.", object: member(t, "long", "{username: "+strings.Repeat("a", 300)+"}")},
		"GroupAndName":   {reason: "A rule on the spec.", object: member(t, "both", "{username: jane, group: team}")},
		"Nobody":         {reason: "A rule on the spec.", object: member(t, "nobody", "{roles: [viewer]}")},
		"Owner":          {reason: "A rule on the spec.", object: member(t, "owner", "{username: jane, roles: [owner]}")},
		"NullRoles":      {reason: "A null.", object: member(t, "null", "{username: jane, roles: null, projects: null}")},
		"ManyRoles":      {reason: "A bound.", object: member(t, "many", "{username: jane, roles: "+names(20)+"}")},
		"RoleTwice":      {reason: "A set.", object: member(t, "twice", "{username: jane, roles: [viewer, viewer]}")},
		"KubernetesRole": {reason: "An enumeration.", object: member(t, "unknown", "{username: jane, kubernetesRole: root}")},
		"AllAndOne":      {reason: "A rule on a list.", object: member(t, "all-and-one", "{username: jane, projects: ['*', web]}")},
		"NoOwners":       {reason: "Nobody's.", object: organisation(t, "no-owners", "{}")},
		"EmptyOwners":    {reason: "Nobody's.", object: organisation(t, "empty-owners", "{owners: []}")},
		"SystemOwner":    {reason: "A subject of Kubernetes.", object: organisation(t, "system-owner", "{owners: [{username: 'system:masters'}]}")},
		"Mapping":        {reason: "A ClusterRole of ours.", object: organisation(t, "mapping", "{"+owners+", kubernetesRoles: [{name: view, clusterRole: 'enrol:owner'}]}")},
		"LongName":       {reason: "A rule on the root.", object: organisation(t, strings.Repeat("n", 60), "{"+owners+"}")},
		"NameWithDot":    {reason: "A rule on the root.", object: organisation(t, "with.dot", "{"+owners+"}")},
		"BasedOn":        {reason: "A rule in a list.", object: organisation(t, "based-on", "{"+owners+", roles: [{name: lead}]}")},
		"Inviter":        {reason: "A rule on an Invitation.", object: invitation(t, "no-inviter", "{email: j@example.com}")},
		"InvitedOddly":   {reason: "A pattern.", object: invitation(t, "odd-email", "{email: J, invitedBy: {username: 'a  b'}, roles: "+names(20)+"}")},
		"Slug":           {reason: "A pattern.", object: organisation(t, "odd-slug", "{"+owners+", slug: A/B}")},
	}
	config, err := environment.ServiceAccountConfig(context.Background(), testenv.SystemNamespace, testenv.OperatorServiceAccount)
	if err != nil {
		t.Fatal(err)
	}
	operator := environment.ClientFor(t, config)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			environment.Plant(t, tc.object)
			status := text(t, tc.object.GetKind(), tc.object.GetNamespace(), tc.object.GetName(),
				"status: {observedGeneration: 1, conditions: [{type: Ready, status: 'False', reason: SubjectRefused, "+
					"message: refused, lastTransitionTime: '2030-01-01T00:00:00Z', observedGeneration: 1}]}")
			err := operator.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(status), client.FieldOwner("enrol"))
			checkAnswer(t, tc.reason+" By apply.", err, nil)
			patch := client.RawPatch("application/merge-patch+json", []byte(`{"status": {"observedGeneration": 2}}`))
			checkAnswer(t, tc.reason+" By a merge patch.", operator.Status().Patch(ctx, status.DeepCopy(), patch), nil)
			admin := environment.AdminClient(t)
			label := client.RawPatch("application/merge-patch+json", []byte(`{"metadata": {"labels": {"a": "b"}}}`))
			checkAnswer(t, tc.reason+" Labels.", admin.Patch(ctx, status.DeepCopy(), label), nil)
			checkAnswer(t, tc.reason+" Deletion.", admin.Delete(ctx, status), nil)
		})
	}
}
