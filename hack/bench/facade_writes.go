package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/naming"
)

// address is somebody's, of a kind of people.
func (o organisation) address(kind string, i int) string {
	return fmt.Sprintf("%s-%05d@%s.example.com", kind, i, o.name)
}

// addOne adds a member as clients of the avisi family do.
func (f *facadeStage) addOne(ctx context.Context, email string) error {
	_, err := f.call(ctx, http.MethodPost, f.facade.url+"/api/v1/organisations/"+f.o.name+"/members",
		fmt.Appendf(nil, `{"email": %q, "role": "viewer"}`, email))
	return err
}

// memberLike is the Member that the facade has made for somebody, for somebody else.
func (f *facadeStage) memberLike(ctx context.Context, added string) (func(email string) *enrolv1alpha1.Member, error) {
	made := &enrolv1alpha1.Member{}
	if err := f.plain.Get(ctx, client.ObjectKey{Namespace: f.o.home(), Name: naming.Member(added)}, made); err != nil {
		return nil, fmt.Errorf("reading what the facade has made: %w", err)
	}
	return func(email string) *enrolv1alpha1.Member {
		member := &enrolv1alpha1.Member{Spec: *made.Spec.DeepCopy()}
		member.Namespace, member.Name, member.Spec.Email = f.o.home(), naming.Member(email), enrolv1alpha1.Email(email)
		return member
	}, nil
}

// facadeAdd measures adding one member at a time.
func (b *bench) facadeAdd(ctx context.Context, f *facadeStage) error {
	const warm = "warm@facade.example.com"
	if err := f.addOne(ctx, warm); err != nil {
		return err
	}
	member, err := f.memberLike(ctx, warm)
	if err != nil {
		return err
	}
	return b.compareLatency(ctx, &latency{
		row: rowFacadeAdd, figure: fmt.Sprintf("a member added through the facade, %d callers", callers),
		against: "a plain client creates the same Member", p50: 1.3, p99: 2,
		sides: [2]side{
			func(ctx context.Context, i int) error { return f.addOne(ctx, f.o.address("added", i)) },
			func(ctx context.Context, i int) error { return f.plain.Create(ctx, member(f.o.address("created", i))) },
		},
	})
}

// facadeInvite measures inviting one person at a time.
func (b *bench) facadeInvite(ctx context.Context, f *facadeStage) error {
	invite := func(ctx context.Context, email string) error {
		_, err := f.call(ctx, http.MethodPost, f.facade.url+"/api/v1/org/"+f.o.name+"/invitations",
			fmt.Appendf(nil, `{"email": %q, "role": "reader"}`, email))
		return err
	}
	const warm = "warm-invited@facade.example.com"
	if err := invite(ctx, warm); err != nil {
		return err
	}
	made := &enrolv1alpha1.Invitation{}
	if err := f.plain.Get(ctx, client.ObjectKey{Namespace: f.o.home(), Name: naming.Invitation(warm, 1)}, made); err != nil {
		return fmt.Errorf("reading what the facade has made: %w", err)
	}
	create := func(ctx context.Context, email string) error {
		invitation := &enrolv1alpha1.Invitation{Spec: *made.Spec.DeepCopy()}
		invitation.Namespace, invitation.Name = f.o.home(), naming.Invitation(email, 1)
		invitation.Spec.Email = enrolv1alpha1.Email(email)
		return f.plain.Create(ctx, invitation)
	}
	return b.compareLatency(ctx, &latency{
		row: rowFacadeInvite, figure: fmt.Sprintf("a person invited through the facade, %d callers", callers),
		against: "a plain client creates the same Invitation", p50: 1.3,
		sides: [2]side{
			func(ctx context.Context, i int) error { return invite(ctx, f.o.address("invited", i)) },
			func(ctx context.Context, i int) error { return create(ctx, f.o.address("plainly-invited", i)) },
		},
	})
}

// latency is a comparison of how long two ways take to do the same once.
type latency struct {
	row, figure, against string
	// p50 and p99 are how many times as long it may take; 0: as long as it likes.
	p50, p99 float64
	sides    [2]side
}

func (b *bench) compareLatency(ctx context.Context, l *latency) error {
	b.say("%s ...", l.figure)
	p50 := &result{Row: l.row, Unit: "ms", MostRatio: l.p50, Figure: l.figure + ", p50", Against: l.against}
	p99 := &result{Row: l.row, Unit: "ms", MostRatio: l.p99, Figure: "the same, p99", Against: "the same"}
	// The first is not counted: connections are made then.
	for repetition := range b.repeat + 1 {
		took, err := inTurns(ctx, repetition*b.calls, b.calls, l.sides)
		if err != nil {
			return err
		}
		if repetition == 0 {
			continue
		}
		for _, of := range []struct {
			r *result
			q float64
		}{{p50, 0.5}, {p99, 0.99}} {
			of.r.Values = append(of.r.Values, quantile(took[0], of.q))
			of.r.References = append(of.r.References, quantile(took[1], of.q))
		}
		p50.sample("facade, ms", took[0])
		p50.sample("plain client, ms", took[1])
	}
	b.add(p50)
	b.add(p99)
	return nil
}

// batchRow is a row of the batch of the llamacloud family. Null projects are all of them.
type batchRow struct {
	Email      string   `json:"email"`
	ProjectIDs []string `json:"project_ids"`
}

// facadeBatch measures a batch, beside as many single creates.
func (b *bench) facadeBatch(ctx context.Context, f *facadeStage) error {
	b.say("adding %d members in a batch ...", b.calls)
	r := &result{
		Row: rowFacadeBatch, Unit: "s", MostRatio: 1.15,
		Figure:  fmt.Sprintf("%d members added in one batch through the facade", b.calls),
		Against: fmt.Sprintf("a plain client creates the same Members, %d at a time", workers),
	}
	const warm = "warm-batch@facade.example.com"
	if err := f.addBatch(ctx, []batchRow{{Email: warm}}); err != nil {
		return err
	}
	member, err := f.memberLike(ctx, warm)
	if err != nil {
		return err
	}
	for repetition := range b.repeat {
		var rows []batchRow
		for i := range b.calls {
			rows = append(rows, batchRow{Email: f.o.address("batched", repetition*b.calls+i)})
		}
		for turn := range 2 {
			if err := f.awaitRest(ctx); err != nil {
				return err
			}
			begun := time.Now()
			if (repetition+turn)%2 == 0 {
				if err := f.addBatch(ctx, rows); err != nil {
					return err
				}
				r.Values = append(r.Values, time.Since(begun).Seconds())
				continue
			}
			if err := parallel(ctx, b.calls, func(ctx context.Context, i int) error {
				return f.plain.Create(ctx, member(f.o.address("singly", repetition*b.calls+i)))
			}); err != nil {
				return err
			}
			r.References = append(r.References, time.Since(begun).Seconds())
		}
	}
	b.add(r)
	return nil
}

func (f *facadeStage) addBatch(ctx context.Context, rows []batchRow) error {
	body, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	text, err := f.call(ctx, http.MethodPut, f.facade.url+"/api/v1/organizations/"+string(f.made.UID)+"/users", body)
	if err != nil {
		return err
	}
	var answered []json.RawMessage
	if err := json.Unmarshal(text, &answered); err != nil {
		return err
	}
	if len(answered) != len(rows) {
		return fmt.Errorf("a batch of %d was answered with %d", len(rows), len(answered))
	}
	return nil
}
