package autoscale

import (
	"fmt"
	"strings"

	"github.com/payperplay/payperplay/controller/fault"
)

// String writes the numbers as they are read: "1; fri,sat 17-24 = 3".
func (p Spares) String() string {
	parts := []string{fmt.Sprint(p.Base)}
	for _, r := range p.Rules {
		when := strings.Join(r.Days, ",")
		if r.From != 0 || r.To != 24 || when == "" {
			when = strings.TrimSpace(fmt.Sprintf("%s %d-%d", when, r.From, r.To))
		}
		parts = append(parts, fmt.Sprintf("%s = %d", when, r.Machines))
	}
	return strings.Join(parts, "; ")
}

// ParseSpares reads what String writes; zone and memory are left empty. Kinds: invalid.
func ParseSpares(text string) (Spares, error) {
	var p Spares
	if err := p.parsePool(text); err != nil {
		return p, fault.Wrap(err, fault.Invalid, "scaling: spares: "+err.Error(), `write them as "1; fri,sat 17-24 = 3"`)
	}
	return p, nil
}
