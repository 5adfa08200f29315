package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/durable"
)

const (
	shelfFile  = "numbers.json"
	shelfAhead = 100_000 // numbers reserved at a time
)

// shelf keeps numbers from being given twice after a power failure. A process's death leaves the page cache alone, but a machine's may take
// lines of the last second that someone has already seen. So numbers are reserved on disk ahead of use, and after another boot
// without a clean end the next number is behind the reservation.
type shelf struct {
	Boot     string `json:"boot"`
	Reserved int64  `json:"reserved"` // numbers up to here may have been given
	Clean    bool   `json:"clean"`    // closed in good order at Reserved
}

// shelve reserves n more numbers if needed. It needs b.mu.
func (b *book) shelve(n int64) error {
	if b.head+n <= b.shelf.Reserved && !b.shelf.Clean && b.shelf.Boot == b.boot {
		return nil
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of the console history: %w", err)
	}
	return b.saveShelf(shelf{Boot: b.boot, Reserved: max(b.head+n+shelfAhead, b.shelf.Reserved)})
}

func (b *book) saveShelf(s shelf) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(b.dir, shelfFile), text, 0o600, "console.shelf"); err != nil {
		return fmt.Errorf("reserve line numbers: %w", err)
	}
	b.shelf = s
	return nil
}

// settleShelf gives back what was reserved and not used.
func (b *book) settleShelf() error {
	if b.shelf.Reserved == 0 {
		return nil
	}
	return b.saveShelf(shelf{Boot: b.boot, Reserved: b.head, Clean: true})
}

// checkShelf reads the reservation when a history is opened. It skips the reserved numbers if the machine went down, and says so in the console.
func (b *book) checkShelf() error {
	durable.Sweep(filepath.Join(b.dir, shelfFile), time.Minute)
	text, err := os.ReadFile(filepath.Join(b.dir, shelfFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &b.shelf); err != nil {
		return fmt.Errorf("%s cannot be read: %w", shelfFile, err)
	}
	if b.shelf.Boot == b.boot && !b.shelf.Clean {
		return nil // the process died, the machine did not: what was written is there
	}
	lost := !b.shelf.Clean
	b.head = max(b.head, b.shelf.Reserved)
	if !lost {
		return nil
	}
	return b.append([]protocol.Line{{
		Time: time.Now().UTC(), Kind: protocol.LineGap,
		Text: "the machine went down: up to a second of output may be missing here",
	}}, nil)
}
