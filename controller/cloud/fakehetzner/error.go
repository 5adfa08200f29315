package fakehetzner

import (
	"fmt"
	"net/http"
)

// refusal is an error in the API's words.
type refusal struct {
	status  int
	code    string
	message string
	details any
}

func (r *refusal) Error() string { return r.message + " (" + r.code + ")" }

func refuse(status int, code, format string, args ...any) *refusal {
	return &refusal{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

func notFound(kind string, id any) *refusal {
	return refuse(http.StatusNotFound, "not_found", "%s with ID '%v' not found", kind, id)
}

// invalid names the field, as the API does.
func invalid(field, format string, args ...any) *refusal {
	why := fmt.Sprintf(format, args...)
	r := refuse(http.StatusUnprocessableEntity, "invalid_input", "invalid input in field '%s'", field)
	r.details = obj{"fields": []obj{{"name": field, "messages": []string{why}}}}
	return r
}

func notUnique(field string) *refusal {
	r := refuse(http.StatusConflict, "uniqueness_error", "%s is already used", field)
	r.details = obj{"fields": []obj{{"name": field, "messages": []string{"must be unique"}}}}
	return r
}

func limited(kind string) *refusal {
	return refuse(http.StatusForbidden, "resource_limit_exceeded", "%s limit exceeded", kind)
}

func isLocked() *refusal {
	return refuse(http.StatusLocked, "locked", "the resource is locked by a running action")
}

func isProtected(kind string) *refusal {
	return refuse(http.StatusLocked, "protected", "%s deletion is protected", kind)
}

func inConflict() *refusal {
	return refuse(http.StatusConflict, "conflict", "the resource has changed during the request, please retry")
}
