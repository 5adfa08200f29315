package main

// figures are the rows of performance.md that this version can show.
var figures = []figure{
	{"store: Update with one put and one event", "controller/store/bolt", "BenchmarkUpdate", "ratio", "raw bbolt transaction of the same writes", 1.3, false},
}
