package lobby

import (
	"container/list"
	"time"

	"github.com/porch-call/porch/backend/kit/limit"
	"golang.org/x/time/rate"
)

// device is what a lobby remembers of a browser that has knocked.
type device struct {
	id       string
	declines int
	blocked  bool
	outside  bool          // the host has put it out of the call, so that no standing decision lets it in
	pace     *rate.Limiter // limits its knocks
	promise  *promise      // a decision that its guest has not received yet
	decided  *Ticket       // the ticket that was decided last
	place    *list.Element
	rank     int
}

// promise is a decision that was made while the guest was away. It applies only to the name that the host saw.
type promise struct {
	name    string
	verdict Verdict
	until   time.Time
}

// Ranks of devices, by how much is lost when one is forgotten.
const (
	rankPlain    = iota // only its pace is known
	rankDeclined        // it was declined, or has a promise
	rankBlocked
	ranks
)

// devices remembers a bounded number of devices. To make room it forgets, among those of the lowest rank, the one
// that was quiet for longest. Inventing devices does not push out refusals, because an invented device has the lowest
// rank.
type devices struct {
	most     int
	rate     limit.Rate              // of knocks
	declines func(device string) int // as in Options
	byID     map[string]*device
	order    [ranks]*list.List // of *device by rank, the one quiet for longest first
}

func newDevices(o Options) *devices {
	d := &devices{most: o.Devices, rate: o.Rate, declines: o.Declines, byID: make(map[string]*device)}
	for i := range d.order {
		d.order[i] = list.New()
	}
	return d
}

// touch returns a device and marks it as the one heard of last. It adds a device that is not known.
func (d *devices) touch(id string) *device {
	dev := d.byID[id]
	if dev == nil {
		if len(d.byID) >= d.most {
			d.forgetOne()
		}
		dev = &device{id: id, pace: d.rate.Bucket()}
		if d.declines != nil {
			dev.declines = d.declines(id)
		}
		if dev.declines > 0 {
			dev.rank = rankDeclined
		}
		dev.place = d.order[dev.rank].PushBack(dev)
		d.byID[id] = dev
		return dev
	}
	d.order[dev.rank].MoveToBack(dev.place)
	return dev
}

// rerank updates the rank of a device after its fields have changed.
func (d *devices) rerank(dev *device) {
	rank := rankPlain
	switch {
	case dev.blocked:
		rank = rankBlocked
	case dev.declines > 0 || dev.promise != nil || dev.outside:
		rank = rankDeclined
	}
	if rank == dev.rank {
		return
	}
	d.order[dev.rank].Remove(dev.place)
	dev.place = d.order[rank].PushBack(dev)
	dev.rank = rank
}

func (d *devices) forgetOne() {
	for _, order := range d.order {
		if front := order.Front(); front != nil {
			delete(d.byID, front.Value.(*device).id)
			order.Remove(front)
			return
		}
	}
}
