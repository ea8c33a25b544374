//go:build !linux || porch_udp_other

package path

// entrance knows nothing here: other systems don't tell what they drop.
func (s *udpSocket) entrance() (dropped uint32, fill float64, ok bool) { return 0, 0, false }
