package api

import (
	"time"

	"github.com/payperplay/payperplay/controller/store"
)

// TrimSessions deletes at most most logins that have ended, and says how many.
func TrimSessions(tx store.Tx, now time.Time, most int) (int, error) {
	var dead []string
	for s, err := range sessions.Range(tx, "seen", nil, now.Add(-sessionIdle), most, false) {
		if err != nil {
			return 0, err
		}
		dead = append(dead, s.Hash)
	}
	for _, hash := range dead {
		if err := sessions.Delete(tx, hash); err != nil {
			return 0, err
		}
	}
	return len(dead), nil
}
