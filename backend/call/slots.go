package call

// Each member has pairs of slots, in which it receives the others. A pair is two media sections of its description, and
// costs memory, and time in each negotiation. So there are pairs for those who send something, and a few more. Those who
// send nothing have what is left, and give it up when it is needed. See decision 67.
const (
	sparePairs = 1 // beyond the others; the next one to join needs no negotiation with them
	// quietPairs are for those who send nothing yet. So many of them may begin in the time that an offer takes, and are
	// seen and heard at once.
	quietPairs = 3
	grownPairs = 4 // added by an offer in mid-call; the first is shorter, because a guest waits for it at the door
)

// sends reports whether m has its microphone or its camera on.
func (m *member) sends() bool { return !m.muted || !m.cameraOff }

// others returns how many others there are, and how many of them send.
func (m *member) others() (all, sending int) {
	for _, o := range *m.call.members.Load() {
		if o != m {
			all++
			if o.sends() {
				sending++
			}
		}
	}
	return all, sending
}

// firstPairs returns how many pairs m's first offer has.
func (c *Call) firstPairs(m *member) int {
	all, sending := m.others()
	return min(all+sparePairs, sending+quietPairs)
}

// assign gives the others pairs of m's slots, those first who send, and tells m. It reports whether that has changed
// anything. If there are too few pairs, it asks for more. It runs again when they are offered.
func (c *Call) assign(m *member) (changed bool) {
	for _, sending := range []bool{true, false} {
		for _, o := range *c.members.Load() {
			if o == m || o.sends() != sending || m.pairOf(o) != nil {
				continue
			}
			free := m.freePair(sending)
			if free == nil && m.local != nil {
				free = m.local.pair(o)
				m.pairs = append(m.pairs, free)
			}
			if free == nil {
				break
			}
			m.give(free, o)
			changed = true
		}
	}
	p := m.peer
	if p == nil {
		return changed
	}
	all, sending := m.others()
	if n := min(all, sending+quietPairs); n > len(m.pairs) && len(m.pairs) > 0 {
		enough := min(max(n, len(m.pairs)+grownPairs), MaxParticipants-1)
		p.enqueue(func() { p.ensureSlots(enough) })
	}
	if changed {
		m.send(m.tracks())
	}
	return changed
}

// freePair returns a pair that carries nobody, or, for a member who sends, one that carries a member who does not. It
// returns nil if there is none. Slots of the native engine are of one participant, and so never free.
func (m *member) freePair(sending bool) *slotPair {
	if m.local != nil {
		return nil
	}
	free := m.pairOf(nil)
	for _, pr := range m.pairs {
		if free == nil && sending && !pr.member.sends() {
			free = pr
		}
	}
	return free
}
