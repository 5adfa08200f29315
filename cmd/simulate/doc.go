// Package simulate plays bad days of a whole cluster in one process: the real rooms of a controller and of several agents on virtual
// time (testing/synctest), cut at the facets of package protocol and at a fake wire, a fake engine and a fake node disk. Orders of users
// and faults come from a seed; one function, check, tells after each round whether what must always hold still holds.
//
// All of it is in _test files, because virtual time needs a *testing.T. scripts/simulate runs it; docs/simulator.md tells what is real
// and what is not, and how a seed is played again.
package simulate
