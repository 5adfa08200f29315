package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/storetest"
)

// TestF14BrokenPages breaks the structure of one page after the other. bbolt would end the process at that: Open and Check
// have to say so instead, in this process.
func TestF14BrokenPages(t *testing.T) {
	dir := memoryDir(t)
	path := filepath.Join(dir, "controller.db")
	db := openAt(t, path, Options{Tables: storetest.Tables()})
	err := db.Update(t.Context(), func(tx store.Tx) error {
		for i := range 120 {
			if err := storetest.Items.Put(tx, storetest.Item{ID: fmt.Sprint(i), Name: fmt.Sprint(i), Data: make([]byte, 2*i)}); err != nil {
				return err
			}
		}
		return storetest.Others.Put(tx, storetest.Item{ID: "long", Data: make([]byte, 20_000)}) // overflow pages
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const size = 4096
	breaks := map[string]func(page []byte){
		"number":   func(p []byte) { p[0] ^= 0x40 },
		"type":     func(p []byte) { p[8] ^= 3 },
		"count":    func(p []byte) { p[11] = 0xff },
		"overflow": func(p []byte) { p[15] = 0x7f },
		"element":  func(p []byte) { p[pageHeader+6], p[pageHeader+7] = 0xff, 0xff },
		"zero":     func(p []byte) { clear(p[:size]) },
	}
	refused := 0
	for name, damage := range breaks {
		for page := 2; page < len(whole)/size; page++ {
			data := bytes.Clone(whole)
			damage(data[page*size:])
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			report, err := Check(t.Context(), path)
			if err != nil {
				t.Fatalf("%s of page %d: Check: %v", name, page, err)
			}
			db, err := Open(t.Context(), path, Options{Tables: storetest.Tables()})
			switch {
			case err == nil:
				if err := db.Close(); err != nil {
					t.Errorf("%s of page %d: Close: %v", name, page, err)
				}
			case fault.KindOf(err) != fault.Unavailable || fault.Next(err) == "" || report.Clean():
				t.Errorf("%s of page %d: Open says %v, Check %v", name, page, err, report.Findings)
			default:
				refused++
			}
		}
	}
	if refused < 60 {
		t.Errorf("only %d broken pages were noticed", refused)
	}
}
