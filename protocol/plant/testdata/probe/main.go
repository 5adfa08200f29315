// Command probe holds a planted line, for the test that looks whether a binary holds it.
package main

import (
	"os"

	"github.com/payperplay/payperplay/protocol/plant"
)

func main() {
	if plant.On(plant.SequenceGap) {
		_, _ = os.Stdout.WriteString("the planted line was compiled\n")
	}
}
