package hetzner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud"
)

// What an operator does about the kinds that do not mend themselves.
const (
	nextToken     = "check HETZNER_CLOUD_TOKEN (or the file named by HETZNER_CLOUD_TOKEN_FILE): it must be a token of this project that may read and write"
	nextLimit     = "ask Hetzner for a higher limit (console, Limits), or delete what is not needed"
	nextAddresses = "the private network has no free address: make room in it, or set up a larger one"
	nextProtected = "lift the protection in Hetzner's console if it may go"
	nextSupport   = "ask Hetzner's support: they have locked it"
	nextUpdate    = "update the controller: it uses a part of the provider's API that was removed"
	nextForeign   = "it is not this cluster's, so it is left alone; rename or delete it by hand if it is in the way"
)

// unsent is the error of a request that never left.
func (d *Driver) unsent(c call, err error) *cloud.Error {
	var e *cloud.Error
	if errors.As(err, &e) {
		return &cloud.Error{Kind: e.Kind, Message: "could not " + c.doing + ": " + e.Message, After: e.After}
	}
	return &cloud.Error{Kind: cloud.Unavailable, Message: "could not " + c.doing + ": " + ended(err) + " before the provider was asked", Cause: err}
}

// judge gives an error its kind. sent: the request may have reached the provider.
func (d *Driver) judge(c call, resp *hcloud.Response, err error, sent bool) *cloud.Error {
	e := &cloud.Error{}
	var api hcloud.Error
	switch {
	case errors.As(err, &api):
		e.Code = string(api.Code)
		e.Kind, e.Next = kindOf(api.Code, status(resp), c.changes)
		e.Message = "could not " + c.doing + ": " + api.Message + fields(api)
	case status(resp) >= 400: // no error in the API's form: something in between has answered
		e.Kind, e.Next = kindOf("", status(resp), c.changes)
		e.Message = fmt.Sprintf("could not %s: the provider answered with status %d", c.doing, status(resp))
	case neverDialled(err) || !sent:
		e.Kind, e.Message, e.Cause = cloud.Unavailable, "could not "+c.doing+": the provider cannot be reached: "+ended(err), cause(err)
	case c.changes:
		e.Kind, e.Message, e.Cause = cloud.Uncertain, "the provider was asked to "+c.doing+", and its answer was lost: "+ended(err), cause(err)
	default:
		e.Kind, e.Message, e.Cause = cloud.Unavailable, "could not "+c.doing+": the answer was lost: "+ended(err), cause(err)
	}
	e.Message = d.scrub(e.Message)
	return e
}

// kindOf knows the API's words. failed is what is said of a change that the provider itself could not finish.
func kindOf(code hcloud.ErrorCode, status int, changes bool) (kind cloud.Kind, next string) {
	failed := cloud.Unavailable
	if changes {
		failed = cloud.Uncertain
	}
	switch code {
	case hcloud.ErrorCodeNotFound, hcloud.ErrorCodeFirewallResourceNotFound:
		return cloud.NotFound, ""
	case hcloud.ErrorCodeUniquenessError, hcloud.ErrorCodeFirewallAlreadyApplied:
		return cloud.Exists, ""
	case hcloud.ErrorCodeResourceUnavailable, hcloud.ErrorCodePlacementError, hcloud.ErrorCodeNoSpaceLeftInLocation:
		return cloud.NoStock, ""
	case hcloud.ErrorCodeResourceLimitExceeded, "limit_exceeded":
		return cloud.Limit, nextLimit
	case hcloud.ErrorCodeNoSubnetAvailable, hcloud.ErrorCodeIPNotAvailable:
		return cloud.Limit, nextAddresses
	case hcloud.ErrorCodeRateLimitExceeded, "limit_reached":
		return cloud.RateLimited, ""
	case hcloud.ErrorCodeLocked, hcloud.ErrorCodeConflict, hcloud.ErrorCodeResourceInUse, hcloud.ErrorCodeVolumeAlreadyAttached,
		hcloud.ErrorCodePrimaryIPAssigned, hcloud.ErrorCodePrimaryIPAlreadyAssigned, hcloud.ErrorCodeServerNotStopped:
		return cloud.Busy, ""
	case hcloud.ErrorCodeUnauthorized, hcloud.ErrorCodeForbidden, "token_readonly":
		return cloud.Denied, nextToken
	case hcloud.ErrorCodeProtected:
		return cloud.Denied, nextProtected
	case hcloud.ErrorCodeResourceLocked:
		return cloud.Denied, nextSupport
	case hcloud.ErrorDeprecatedAPIEndpoint:
		return cloud.Invalid, nextUpdate
	case hcloud.ErrorCodeInvalidInput, hcloud.ErrorCodeJSONError, hcloud.ErrorCodeInvalidServerType, hcloud.ErrorUnsupportedError, hcloud.ErrorCodeNetworksOverlap:
		return cloud.Invalid, ""
	case hcloud.ErrorCodeServerError, hcloud.ErrorCodeServiceError, hcloud.ErrorCodeUnknownError, hcloud.ErrorCodeMaintenance, hcloud.ErrorCodeBadGateway,
		hcloud.ErrorCodeTimeout, hcloud.ErrorCodeRobotUnavailable, "unavailable":
		return failed, ""
	}
	switch { // a word that we do not know
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return cloud.Denied, nextToken
	case status == http.StatusNotFound:
		return cloud.NotFound, ""
	case status == http.StatusConflict, status == http.StatusLocked:
		return cloud.Busy, ""
	case status == http.StatusTooManyRequests:
		return cloud.RateLimited, ""
	case status == http.StatusRequestTimeout, status >= 500:
		return failed, ""
	case status >= 400:
		return cloud.Invalid, ""
	}
	return failed, ""
}

func status(resp *hcloud.Response) int {
	if resp == nil || resp.Response == nil {
		return 0
	}
	return resp.StatusCode
}

// fields tells which parts of a request were wrong.
func fields(e hcloud.Error) string {
	details, ok := e.Details.(hcloud.ErrorDetailsInvalidInput)
	if !ok {
		return ""
	}
	var parts []string
	for _, f := range details.Fields {
		parts = append(parts, f.Name+" "+strings.Join(f.Messages, ", "))
	}
	return ": " + strings.Join(parts, "; ")
}

// neverDialled tells that no connection came about, whatever the transport.
func neverDialled(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns)
}

// ended says in short why there was no answer.
func ended(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "the call was cancelled"
	case errors.Is(err, context.DeadlineExceeded):
		return "the time was over"
	default:
		return cause(err).Error()
	}
}

// cause is the error below what the client has wrapped around it: no type of hcloud-go, and no URL.
func cause(err error) error {
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return known
		}
	}
	var outer interface {
		error
		Timeout() bool
		Unwrap() error
	}
	if errors.As(err, &outer) && outer.Unwrap() != nil { // *url.Error
		return outer.Unwrap()
	}
	return err
}

// scrub is a last guard: nobody's text may carry the token out.
func (d *Driver) scrub(text string) string { return strings.ReplaceAll(text, d.token.Reveal(), masked) }

// foreign is the error of touching what is not ours.
func foreign(doing string) error {
	return &cloud.Error{Kind: cloud.Denied, Message: "could not " + doing + ": it does not carry this cluster's labels", Next: nextForeign}
}

func missing(what string) error {
	return &cloud.Error{Kind: cloud.NotFound, Message: what + " is not there"}
}

func wrong(doing, why, next string) error {
	return &cloud.Error{Kind: cloud.Invalid, Message: "could not " + doing + ": " + why, Next: next}
}

// after is how long an error says to wait.
func after(err error) time.Duration {
	var e *cloud.Error
	if errors.As(err, &e) {
		return e.After
	}
	return 0
}
