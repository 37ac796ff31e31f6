package main

import (
	"context"
	"fmt"
)

// manyOrganisations measures many small organisations.
func (b *bench) manyOrganisations(ctx context.Context, s *stage) error {
	r := &result{
		Row: rowOrganisations, Unit: "s", MostRatio: 1.3,
		Figure: fmt.Sprintf("%d organisations of %d Members and 1 project, until all Members are Ready",
			b.organisations, membersOfMany),
		Against: "a plain client writes the same objects",
	}
	c := cost(rowOrganisations)
	if err := b.startOperator(ctx, s); err != nil {
		return err
	}
	// One more beforehand: what it looks like tells the reference what to write.
	first := organisation{name: "first", projects: 1}
	if _, err := s.untilReady(ctx, first.home(), membersOfMany, func(ctx context.Context) error {
		return s.addOrganisation(ctx, first)
	}); err != nil {
		return err
	}
	if err := s.learn(ctx, first); err != nil {
		return err
	}
	for repetition := range b.repeat {
		b.say("adding %d organisations ...", b.organisations)
		if err := s.awaitRest(ctx); err != nil {
			return err
		}
		unused := s.usage()
		took, err := b.addOrganisations(ctx, s, fmt.Sprintf("figure-%d", repetition), s.addOrganisation)
		if err != nil {
			return err
		}
		r.Values = append(r.Values, took)
		c.used(s.usage().since(unused))
		if err := s.awaitRest(ctx); err != nil {
			return err
		}
		s.stopOperator()
		b.say("adding %d organisations with a plain client ...", b.organisations)
		unused = s.usage()
		took, err = b.addOrganisations(ctx, s, fmt.Sprintf("plain-%d", repetition), s.addFinishedOrganisation)
		if err != nil {
			return err
		}
		r.References = append(r.References, took)
		c.usedByReference(s.usage().since(unused))
		if err := b.startOperator(ctx, s); err != nil {
			return err
		}
	}
	b.add(r)
	b.add(c)
	return nil
}

// addOrganisations is how many seconds it takes until the Members of all are Ready.
func (b *bench) addOrganisations(
	ctx context.Context, s *stage, prefix string, add func(context.Context, organisation) error,
) (float64, error) {
	const everywhere = ""
	took, err := s.untilReady(ctx, everywhere, b.organisations*membersOfMany, func(ctx context.Context) error {
		return parallel(ctx, b.organisations, func(ctx context.Context, i int) error {
			return add(ctx, organisation{name: fmt.Sprintf("%s-%04d", prefix, i), projects: 1})
		})
	})
	b.say("  %.1f s", took.Seconds())
	return took.Seconds(), err
}

func (s *stage) addOrganisation(ctx context.Context, o organisation) error {
	if _, err := s.makeOrganisation(ctx, o); err != nil {
		return err
	}
	for i := range membersOfMany {
		if _, err := s.addMember(ctx, o, i); err != nil {
			return err
		}
	}
	return nil
}

// addFinishedOrganisation writes what the operator writes, too.
func (s *stage) addFinishedOrganisation(ctx context.Context, o organisation) error {
	made, err := s.makeOrganisation(ctx, o)
	if err != nil {
		return err
	}
	for i := range membersOfMany {
		if err := s.addFinished(ctx, o, i); err != nil {
			return err
		}
	}
	return s.finish(ctx, o, made, membersOfMany)
}
