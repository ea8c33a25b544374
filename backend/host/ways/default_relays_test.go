package ways

import (
	"testing"

	"github.com/porch-call/porch/backend/fault"
)

// TestDefaultRelays: nobody is sent to a stranger's relay as long as the list is
// empty.
func TestDefaultRelays(t *testing.T) {
	p := open(t, nil)
	if _, err := p.AddRelay(t.Context(), "", ""); fault.CodeOf(err) != fault.RelayAddressInvalid {
		t.Errorf("no default: %v", err)
	}
	DefaultRelays = append(DefaultRelays, "relay.example")
	t.Cleanup(func() { DefaultRelays = DefaultRelays[:0] })
	v, err := p.AddRelay(t.Context(), "", "")
	if err != nil || v.URL != "https://relay.example" {
		t.Errorf("a default: %+v, %v", v, err)
	}
}
