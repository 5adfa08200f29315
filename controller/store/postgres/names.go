package postgres

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/payperplay/payperplay/controller/store"
)

// schema is a schema's name; everything in SQL is named with it, so that no search_path matters.
type schema string

// lock is the advisory lock of the store's writer: one number per schema. It never changes, or two versions would not
// exclude each other.
func (s schema) lock() int64 {
	sum := sha256.Sum256([]byte("payperplay store writer\x00" + string(s)))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// name quotes a table of the schema.
func (s schema) name(table string) string { return pgx.Identifier{string(s), table}.Sanitize() }

// sql puts the schema in the place of each @ in text, which has no other use for that sign.
func (s schema) sql(text string) string {
	return strings.ReplaceAll(text, "@", pgx.Identifier{string(s)}.Sanitize())
}

// ident quotes a column.
func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

// indexName has a slash, which no table has: tables and indexes share one name space. Postgres cuts names at 63 bytes.
func indexName(table, index string) string {
	name := table + "/" + index
	if len(name) > 63 {
		sum := sha256.Sum256([]byte(name))
		name = fmt.Sprintf("%s/%x", name[:50], sum[:6])
	}
	return name
}

func columnType(kind store.Kind) string {
	switch kind {
	case store.KindString:
		return `text COLLATE "C"`
	case store.KindBool:
		return "boolean"
	}
	return "bigint"
}

// argument is a value as Postgres takes it; nil for a row that is not in the index.
func argument(v store.Value) any {
	switch {
	case !v.Set:
		return nil
	case v.Kind == store.KindString:
		return v.Str
	case v.Kind == store.KindBool:
		return v.Int == 1
	}
	return v.Int
}

// table is what the handle knows of a table: its statements are made once.
type table struct {
	def    store.TableDef
	seed   uint32 // of its rows' checksums
	unique bool   // it has a unique index
	name   string // quoted

	get, insert, update, remove string
	fetch                       string   // the row, and who else has its unique values
	taken                       []string // by index; "" where it is not unique
}

func newTable(s schema, def store.TableDef) *table {
	t := &table{def: def, seed: crcTable(def.Name), name: s.name(def.Name), taken: make([]string, len(def.Indexes))}
	t.get = "SELECT _crc, doc FROM " + t.name + " WHERE key = $1"
	t.remove = "DELETE FROM " + t.name + " WHERE key = $1"
	clashes, n := "", 1
	columns, params, sets := "key, _crc, doc", "$1, $2, $3", "_crc = $2, doc = $3"
	for i, x := range def.Indexes {
		columns += ", " + ident(x.Name)
		params += fmt.Sprintf(", $%d", i+4)
		sets += fmt.Sprintf(", %s = $%d", ident(x.Name), i+4)
		if x.Unique {
			t.unique = true
			n++
			clashes += fmt.Sprintf(", EXISTS (SELECT 1 FROM %s u WHERE u.%s = $%d AND u.key <> $1)", t.name, ident(x.Name), n)
			t.taken[i] = fmt.Sprintf("SELECT 1 FROM %s WHERE %s = $1 AND key <> $2 LIMIT 1", t.name, ident(x.Name))
		}
	}
	t.fetch = fmt.Sprintf("SELECT t._crc, t.doc%s FROM (SELECT 1) one LEFT JOIN %s t ON t.key = $1", clashes, t.name)
	t.insert = fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", t.name, columns, params)
	t.update = fmt.Sprintf("UPDATE %s SET %s WHERE key = $1", t.name, sets)
	return t
}

// row makes the arguments of insert and update.
func (t *table) arguments(key string, crc int32, doc []byte, values []store.Value) []any {
	args := make([]any, 3, 3+len(values))
	args[0], args[1], args[2] = key, crc, doc
	for _, v := range values {
		args = append(args, argument(v))
	}
	return args
}
