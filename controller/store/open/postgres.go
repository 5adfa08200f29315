package open

import (
	"context"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

type postgresEngine struct{}

var errNotBuilt = fault.New(fault.Unavailable, "this program was built without Postgres", "")

func (postgresEngine) open(context.Context, Address, Options) (DB, error) { return nil, errNotBuilt }

func (postgresEngine) read(context.Context, Address, []store.TableDef) (reader, error) {
	return nil, errNotBuilt
}

func (postgresEngine) hold(context.Context, Address, []store.TableDef) (store.Origin, error) {
	return nil, errNotBuilt
}

func (postgresEngine) stage(context.Context, Address, []store.TableDef) (store.Stage, error) {
	return nil, errNotBuilt
}

func (postgresEngine) check(context.Context, Address, []store.TableDef) (*store.Report, error) {
	return nil, errNotBuilt
}
