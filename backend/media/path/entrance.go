package path

// Entrance returns how many datagrams the system has dropped so far because we did not read them in time, and how full
// the fullest of its buffers is, from 0 to 1.
func (m *Mux) Entrance() (dropped uint64, fill float64) {
	m.entranceMu.Lock()
	defer m.entranceMu.Unlock()
	for _, s := range *m.list.Load() {
		n, f, ok := s.entrance()
		if !ok {
			continue // it is being closed, and what it has dropped is not known
		}
		m.overrun += uint64(n - s.overrun) // the system's number wraps
		s.overrun = n
		fill = max(fill, f)
	}
	return m.overrun, fill
}
