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
	pace     *rate.Limiter // of its knocks
	promise  *promise      // a decision that its guest has not heard yet
	decided  *Ticket       // the one that was decided last
	place    *list.Element
	rank     int
}

// promise is a decision taken while the guest was away. It holds for the name
// that the host saw.
type promise struct {
	name    string
	verdict Verdict
	until   time.Time
}

// The ranks of what is remembered, by how much is lost in forgetting it.
const (
	rankPlain    = iota // its pace only
	rankDeclined        // that it was declined, or has a promise
	rankBlocked
	ranks
)

// devices remembers at most so many devices: for one more it forgets the one that
// has been quiet longest among those of the lowest rank. Whoever can make up
// devices gains nothing by that: a made-up device has nothing to forget.
type devices struct {
	most  int
	rate  limit.Rate // of knocks
	byID  map[string]*device
	order [ranks]*list.List // of *device, quiet longest first
}

func newDevices(most int, r limit.Rate) *devices {
	d := &devices{most: most, rate: r, byID: make(map[string]*device)}
	for i := range d.order {
		d.order[i] = list.New()
	}
	return d
}

// touch returns a device as the one heard of last, remembering it if need be.
func (d *devices) touch(id string) *device {
	dev := d.byID[id]
	if dev == nil {
		if len(d.byID) >= d.most {
			d.forgetOne()
		}
		dev = &device{id: id, pace: d.rate.Bucket()}
		dev.place = d.order[rankPlain].PushBack(dev)
		d.byID[id] = dev
		return dev
	}
	d.order[dev.rank].MoveToBack(dev.place)
	return dev
}

// settle puts a device whose fields have changed into its rank.
func (d *devices) settle(dev *device) {
	rank := rankPlain
	switch {
	case dev.blocked:
		rank = rankBlocked
	case dev.declines > 0 || dev.promise != nil:
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
