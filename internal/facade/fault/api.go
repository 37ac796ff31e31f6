package fault

import (
	"context"
	"errors"
	"net"
	"net/url"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OfCaller is what an error of the API server means that answers the caller's own request.
func OfCaller(err error) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsUnauthorized(err):
		return Wrap(Unauthenticated, err)
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause), apierrors.IsNotFound(err), apierrors.IsGone(err):
		return Wrap(NotFound, err)
	case apierrors.IsForbidden(err):
		return &Error{Kind: Forbidden, Text: message(err), cause: err}
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return &Error{Kind: Invalid, Details: []Detail{{In: Body, Text: message(err)}}, cause: err}
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return Wrap(LostUpdate, err)
	}
	return OfSelf(err)
}

// OfSelf is what an error of the API server means that answers the facade's own account. That it refuses that account is
// nothing that a caller could mend.
func OfSelf(err error) error {
	var known *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case apierrors.IsTooManyRequests(err):
		retry := time.Second
		if seconds, ok := apierrors.SuggestsClientDelay(err); ok && seconds > 0 {
			retry = time.Duration(seconds) * time.Second
		}
		return &Error{Kind: RateLimited, RetryAfter: retry, cause: err}
	case apierrors.IsUnauthorized(err), apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return Wrap(Internal, err)
	case isTimeout(err):
		return Wrap(Timeout, err)
	case apierrors.ReasonForError(err) != metav1.StatusReasonUnknown, isConnection(err):
		return Wrap(Unavailable, err)
	case errors.Is(err, context.Canceled):
		return Wrap(Internal, err)
	}
	// What cannot be read as an answer of an API server is none.
	return Wrap(Unavailable, err)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout()
}

func isConnection(err error) bool {
	var request *url.Error
	var operation *net.OpError
	return errors.As(err, &request) || errors.As(err, &operation)
}

// message is what the API server says to people.
func message(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return ""
	}
	return status.Status().Message
}
