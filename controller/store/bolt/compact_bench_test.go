package bolt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/storetest"
)

// cpu is the processor time this process has used: unlike the clock, it means something on a busy machine.
func cpu() float64 {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

// bigStore is a store of a log of n rows of 200 bytes, as the table of events is.
func bigStore(b *testing.B, n int) string {
	b.Helper()
	dir, err := os.MkdirTemp("", "ppp-big-*") // on a disk
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "controller.db")
	db, err := Open(context.Background(), path, Options{Tables: storetest.Tables()})
	if err != nil {
		b.Fatal(err)
	}
	db.b.NoSync = true
	for from := 0; from < n; from += 10_000 {
		err := db.Update(context.Background(), func(tx store.Tx) error {
			for i := from; i < from+10_000; i++ {
				v := storetest.Item{ID: store.SeqKey(int64(i)), Group: fmt.Sprint("srv_", i%1000), N: int64(i), Data: make([]byte, 150)}
				if err := storetest.Others.Put(tx, v); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// BenchmarkOpenBig is a start with 400,000 rows: the look at every page, and bbolt's own.
func BenchmarkOpenBig(b *testing.B) {
	path := bigStore(b, 400_000)
	b.ReportMetric(float64(fileSize(path))/(1<<20), "MiB")
	before := cpu()
	for b.Loop() {
		db, err := Open(context.Background(), path, Options{Tables: storetest.Tables()})
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)*(1<<30)/float64(fileSize(path)), "s/GiB")
	b.ReportMetric((cpu()-before)/float64(b.N)*(1<<30)/float64(fileSize(path)), "cpu-s/GiB")
}

// BenchmarkCompactBig is a compaction on line of half as much; changes wait for all of it.
func BenchmarkCompactBig(b *testing.B) {
	path := bigStore(b, 200_000)
	db, err := Open(context.Background(), path, Options{Tables: storetest.Tables(), CompactAbove: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	before := cpu()
	for b.Loop() {
		if _, err := db.Compact(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)*(100<<20)/float64(db.Size().File), "s/100MiB")
	b.ReportMetric((cpu()-before)/float64(b.N)*(100<<20)/float64(db.Size().File), "cpu-s/100MiB")
}
