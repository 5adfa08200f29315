package failpoint

import (
	"errors"
	"testing"
)

func TestHitIsSilentUntilArmed(t *testing.T) {
	if err := Hit("a"); err != nil {
		t.Fatal(err)
	}
	if err := Arm("a=error@2; b=count"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = Arm("") })
	if err := Hit("a"); err != nil {
		t.Fatalf("first pass: %v", err)
	}
	if err := Hit("a"); !errors.Is(err, ErrInjected) {
		t.Fatalf("second pass: %v, want ErrInjected", err)
	}
	if err := Hit("a"); err != nil {
		t.Fatalf("third pass: %v", err)
	}
	if got := Passed()["a"]; got != 3 {
		t.Fatalf("passed %d times, want 3", got)
	}
}

func TestArmRefusesNonsense(t *testing.T) {
	for _, text := range []string{"a", "=kill", "a=explode", "a=kill@0", "a=sleep:x"} {
		if err := Arm(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
