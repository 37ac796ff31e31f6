package avisi

import (
	"cmp"
	"strconv"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/domain"
)

// pageSize is how many memberships a page has. Clients cannot choose it.
const pageSize = 50

// role is what the platform calls the strongest role: the built-in one that an organisation's own is based on.
func role(m *domain.Membership) string {
	return string(m.Organisation.Base(cmp.Or(m.Role(), enrolv1alpha1.RoleViewer)))
}

func ownMembership(m *domain.Membership) OwnMembership {
	return OwnMembership{
		Subject: m.UserID(), Identity: m.ID, Username: m.Username, Role: role(m), KubernetesRole: string(m.KubernetesRole),
		JoinedAt: m.Created, Email: m.Email,
	}
}

func membership(m *domain.Membership) Membership {
	o := m.Organisation
	return Membership{
		Email: m.Email, Identity: m.ID, MemberIdentity: m.ID, ID: m.ID, OrganisationIdentity: o.ID(), Name: o.Title(),
		Slug: o.Slug(), Role: role(m), KubernetesRole: string(m.KubernetesRole),
	}
}

// number is the page that was asked for, which the document keeps to a number that fits.
func number(asked *string) int {
	n, err := strconv.Atoi(value(asked))
	if err != nil {
		return 0
	}
	return n
}

// page is one of the pages of memberships.
func page(all []*domain.Membership, number int) MembershipPage {
	pages := (len(all) + pageSize - 1) / pageSize
	from := min(number, pages) * pageSize
	here := all[min(from, len(all)):min(from+pageSize, len(all))]
	content := make([]Membership, 0, len(here))
	for _, m := range here {
		content = append(content, membership(m))
	}
	unsorted := Sort{Empty: true, Unsorted: true}
	return MembershipPage{
		Content: content, Empty: len(content) == 0, First: number == 0, Last: number >= pages-1,
		Number: number, Size: pageSize, NumberOfElements: len(content), TotalElements: len(all), TotalPages: pages, Sort: unsorted,
		Pageable: Pageable{Offset: number * pageSize, PageNumber: number, PageSize: pageSize, Paged: true, Sort: unsorted},
	}
}
