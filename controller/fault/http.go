package fault

import "net/http"

// Status is the HTTP status of a kind: 200 for "", 500 for one it does not know.
func Status(kind Kind) int {
	switch kind {
	case "":
		return http.StatusOK
	case Invalid:
		return http.StatusBadRequest
	case NotFound:
		return http.StatusNotFound
	case Conflict, Stale:
		return http.StatusConflict
	case Precondition:
		return http.StatusPreconditionFailed
	case Unauthorized:
		return http.StatusUnauthorized
	case Forbidden:
		return http.StatusForbidden
	case Exhausted:
		return http.StatusTooManyRequests
	case Unavailable:
		return http.StatusServiceUnavailable
	case Timeout:
		return http.StatusGatewayTimeout
	case ReadOnly:
		return http.StatusInsufficientStorage
	case Internal:
	}
	return http.StatusInternalServerError
}
