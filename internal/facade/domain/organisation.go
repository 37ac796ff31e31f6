package domain

import (
	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/access"
	"github.com/enrol-dev/enrol/internal/subject"
)

// NewOrganisation adds what is derived from an Organisation, which must not change afterwards.
func NewOrganisation(o *enrolv1alpha1.Organisation, naming subject.Naming) *Organisation {
	return &Organisation{Organisation: o, terms: access.NewTerms(o, naming)}
}
