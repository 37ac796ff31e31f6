// Package quota counts the mails that an organisation causes in 24 hours, by the hour.
package quota

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

const (
	bucket = time.Hour
	window = 24 * time.Hour
	// defaultMax is that of the API group, for an Organisation from before its default.
	defaultMax = 50
)

// Max is how many mails an organisation may cause in 24 hours.
func Max(policy *enrolv1alpha1.InvitationPolicy) int {
	if policy.MaxPer24Hours == nil {
		return defaultMax
	}
	return int(*policy.MaxPer24Hours)
}

// Take takes as many of the wanted mails as are left, and returns how many that are and the counts with them. For those
// that are not left, again is from when on one more is; it is zero when nothing was refused, and with a maximum of 0, when
// there never is one.
//
// A mail counts until 24 hours after the end of its hour: no 24 hours see more than the maximum.
func Take(
	counts []enrolv1alpha1.MailCount, maximum, wanted int, now time.Time,
) (taken int, updated []enrolv1alpha1.MailCount, again time.Time) {
	updated = slices.DeleteFunc(slices.Clone(counts), func(c enrolv1alpha1.MailCount) bool {
		return !now.Before(end(c))
	})
	slices.SortFunc(updated, func(a, b enrolv1alpha1.MailCount) int { return a.Hour.Compare(b.Hour.Time) })
	used := 0
	for _, c := range updated {
		used += int(c.Count)
	}
	taken = min(wanted, max(0, maximum-used))
	if taken > 0 {
		updated = add(updated, taken, now)
		used += taken
	}
	if taken == wanted {
		return taken, updated, time.Time{}
	}
	// One is left as soon as enough of the oldest count no longer.
	for _, c := range updated {
		if used -= int(c.Count); used < maximum {
			return taken, updated, end(c)
		}
	}
	return taken, updated, time.Time{}
}

// end is when the mails of an hour count no longer.
func end(c enrolv1alpha1.MailCount) time.Time { return c.Hour.Add(bucket + window) }

// add counts mails in the hour that it is. Should the clock have gone back, the latest hour takes them: hours are never
// more than the status holds.
func add(counts []enrolv1alpha1.MailCount, mails int, now time.Time) []enrolv1alpha1.MailCount {
	hour := now.UTC().Truncate(bucket)
	if last := len(counts) - 1; last >= 0 && !counts[last].Hour.Time.Before(hour) {
		counts[last].Count += int32(mails)
		return counts
	}
	return append(counts, enrolv1alpha1.MailCount{Hour: metav1.NewTime(hour), Count: int32(mails)})
}
