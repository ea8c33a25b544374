package link

import (
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	// SampleEvery is the time between two looks at the queue.
	SampleEvery = 10 * time.Millisecond
	// BucketEvery is the time for which packets are counted together.
	BucketEvery = 100 * time.Millisecond

	maxFlows = 4096 // that are counted each by itself
)

// Counts are packets and bytes of IP.
type Counts struct {
	Offered  int64 `json:"offered"` // packets that came
	Carried  int64 `json:"carried"`
	Dropped  int64 `json:"dropped"` // by the queue
	Lost     int64 `json:"lost"`    // under way
	InBytes  int64 `json:"inBytes"`
	OutBytes int64 `json:"outBytes"` // carried
}

func (c *Counts) add(o Counts) {
	c.Offered += o.Offered
	c.Carried += o.Carried
	c.Dropped += o.Dropped
	c.Lost += o.Lost
	c.InBytes += o.InBytes
	c.OutBytes += o.OutBytes
}

// Flow is what was seen of packets with the same addresses, ports and protocol.
type Flow struct {
	From  netip.AddrPort `json:"from"`
	To    netip.AddrPort `json:"to"`
	Proto uint8          `json:"proto"` // of IP: 6 is TCP, 17 is UDP
	Counts
	buckets []Counts
}

// Between returns what was counted from one time after Begin to another.
func (f *Flow) Between(from, to time.Duration) Counts { return between(f.buckets, from, to) }

// Seen is what a direction saw since [Direction.Begin].
type Seen struct {
	flows   map[flowKey]*Flow
	buckets []Counts
	waits   []uint16 // the queue every SampleEvery, in 0.1 ms
}

type flowKey struct {
	from, to netip.AddrPort
	proto    uint8
}

// keyOf reads the headers of an IPv4 packet. Other packets have the zero key.
func keyOf(b []byte) (k flowKey) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return k
	}
	header := int(b[0]&15) * 4
	var from, to uint16
	if fragment := binary.BigEndian.Uint16(b[6:]) & 0x1fff; fragment == 0 && (b[9] == 6 || b[9] == 17) && len(b) >= header+4 {
		from, to = binary.BigEndian.Uint16(b[header:]), binary.BigEndian.Uint16(b[header+2:])
	}
	k.proto = b[9]
	k.from = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:16])), from)
	k.to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[16:20])), to)
	return k
}

func (s *Seen) offered(at time.Duration, data []byte) *Flow {
	if at < 0 {
		return nil
	}
	k := keyOf(data)
	f := s.flows[k]
	if f == nil {
		if len(s.flows) >= maxFlows {
			k = flowKey{}
		}
		if s.flows == nil {
			s.flows = make(map[flowKey]*Flow)
		}
		if f = s.flows[k]; f == nil {
			f = &Flow{From: k.from, To: k.to, Proto: k.proto}
			s.flows[k] = f
		}
	}
	s.count(at, f, Counts{Offered: 1, InBytes: int64(len(data))})
	return f
}

func (s *Seen) carried(at time.Duration, f *Flow, bytes int) {
	s.count(at, f, Counts{Carried: 1, OutBytes: int64(bytes)})
}

func (s *Seen) dropped(at time.Duration, f *Flow, _ int) { s.count(at, f, Counts{Dropped: 1}) }

func (s *Seen) lost(at time.Duration, f *Flow, _ int) { s.count(at, f, Counts{Lost: 1}) }

func (s *Seen) count(at time.Duration, f *Flow, c Counts) {
	if at < 0 {
		return
	}
	i := int(at / BucketEvery)
	s.buckets = grown(s.buckets, i)
	s.buckets[i].add(c)
	if f != nil { // it came before Begin
		f.add(c)
		f.buckets = grown(f.buckets, i)
		f.buckets[i].add(c)
	}
}

func grown(b []Counts, i int) []Counts {
	for len(b) <= i {
		b = append(b, Counts{})
	}
	return b
}

func (s *Seen) nextSample() time.Duration { return time.Duration(len(s.waits)) * SampleEvery }

func (s *Seen) queue(wait time.Duration) {
	s.waits = append(s.waits, uint16(min(wait/(100*time.Microsecond), 1<<16-1)))
}

// Between returns what was counted from one time after Begin to another.
func (s *Seen) Between(from, to time.Duration) Counts { return between(s.buckets, from, to) }

func between(b []Counts, from, to time.Duration) (sum Counts) {
	for i := int(from / BucketEvery); i < int(to/BucketEvery) && i < len(b); i++ {
		sum.add(b[i])
	}
	return sum
}

// Queue returns the quantile q (0 to 1) of the time that a packet would have waited, over the time from one point
// after Begin to another.
func (s *Seen) Queue(from, to time.Duration, q float64) time.Duration {
	i, j := int(from/SampleEvery), min(int(to/SampleEvery), len(s.waits))
	if i >= j {
		return 0
	}
	sorted := slices.Clone(s.waits[i:j])
	slices.Sort(sorted)
	return time.Duration(sorted[int(q*float64(len(sorted)-1)+0.5)]) * 100 * time.Microsecond
}

// QueueBelow returns the first time not before from after which the queue stays below limit for a second, or false.
func (s *Seen) QueueBelow(from, limit time.Duration) (time.Duration, bool) {
	const still = int(time.Second / SampleEvery)
	most := uint16(limit / (100 * time.Microsecond))
	calm := 0
	for i := int(from / SampleEvery); i < len(s.waits); i++ {
		if calm++; s.waits[i] >= most {
			calm = 0
		}
		if calm == still {
			return time.Duration(i+1-still) * SampleEvery, true
		}
	}
	return 0, false
}

// Flows returns all flows, the one with the most bytes first.
func (s *Seen) Flows() []*Flow {
	all := make([]*Flow, 0, len(s.flows))
	for _, f := range s.flows {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b *Flow) int {
		if a.InBytes != b.InBytes {
			return int(b.InBytes - a.InBytes)
		}
		return strings.Compare(a.From.String()+a.To.String(), b.From.String()+b.To.String())
	})
	return all
}

// MarshalJSON implements [json.Marshaler]. The queue is the mean of each BucketEvery in milliseconds.
func (s *Seen) MarshalJSON() ([]byte, error) {
	const each = int(BucketEvery / SampleEvery)
	waits := make([]float64, 0, len(s.waits)/each+1)
	for part := range slices.Chunk(s.waits, each) {
		sum := 0
		for _, w := range part {
			sum += int(w)
		}
		waits = append(waits, float64(sum*10/len(part))/100)
	}
	carried := make([]int64, len(s.buckets))
	drops := make([]int64, len(s.buckets))
	for i, b := range s.buckets {
		carried[i], drops[i] = b.OutBytes, b.Dropped
	}
	return json.Marshal(struct {
		Total   Counts    `json:"total"`
		Every   float64   `json:"everyMs"`
		Queue   []float64 `json:"queueMs"`
		Carried []int64   `json:"carriedBytes"`
		Dropped []int64   `json:"droppedPackets"`
		Flows   []*Flow   `json:"flows"`
	}{s.Between(0, time.Duration(len(s.buckets))*BucketEvery), float64(BucketEvery / time.Millisecond), waits, carried, drops, s.Flows()})
}
