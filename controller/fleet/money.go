package fleet

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/payperplay/payperplay/controller/fault"
)

// MicroEuro is money: a millionth of a euro. Sums of it are exact.
type MicroEuro int64

// Euro is one euro.
const Euro MicroEuro = 1_000_000

// ParseEuro reads a decimal amount of euros, as price lists write it ("0.0048000000"). What is finer than a millionth is rounded half
// up, so that no price becomes lower than it is by more than that. Kinds: invalid.
func ParseEuro(text string) (MicroEuro, error) {
	r, ok := new(big.Rat).SetString(strings.TrimSpace(text))
	if !ok || strings.ContainsAny(text, "/eExXpP_") {
		return 0, fault.New(fault.Invalid, fmt.Sprintf("%q is not an amount of euros", text), "write it as 0.0048")
	}
	r.Mul(r, big.NewRat(int64(Euro), 1)).Add(r, big.NewRat(1, 2))
	n := new(big.Int).Div(r.Num(), r.Denom()) // Euclidean: rounds down, also below zero
	if !n.IsInt64() {
		return 0, fault.New(fault.Invalid, fmt.Sprintf("%q is more money than can be counted", text), "")
	}
	return MicroEuro(n.Int64()), nil
}

// String writes the amount with as many decimals as it needs, at least two: "0.0048 €".
func (m MicroEuro) String() string {
	sign, n := "", uint64(m)
	if m < 0 {
		sign, n = "-", -n
	}
	whole, part := n/uint64(Euro), n%uint64(Euro)
	decimals := strings.TrimRight(fmt.Sprintf("%06d", part), "0")
	for len(decimals) < 2 {
		decimals += "0"
	}
	return fmt.Sprintf("%s%d.%s €", sign, whole, decimals)
}
