// Package asked keeps what the publishers of a call are asked for, and decides when they are told. It does no I/O and
// takes the time as an argument.
package asked

import (
	"slices"
	"time"

	"github.com/porch-call/porch/backend/media/share"
	"github.com/porch-call/porch/backend/signalling"
)

// RIDs are those of the layers that a page is asked for, the lowest first.
var RIDs = []string{"q", "h", "f"}

// again is how often a limit is repeated. A sender that started anew does not know it.
const again = 2 * time.Second

// Publisher is what one member is asked for. The zero value is a member who was asked for nothing. It is not safe for
// concurrent use.
type Publisher struct {
	rids     []string // of the layers of its picture; nil for one without a RID
	layers   [share.MaxLayers]share.Ask
	screen   share.Ask
	presents bool // it shares its screen
	told     told

	limit int // bit/s, the last by Limit; 0 for none
	at    time.Time
}

// Layered notes in which layers the member sends its picture; nil is one without a RID. It reports whether that is new.
func (p *Publisher) Layered(rids []string) bool {
	changed := !slices.Equal(p.rids, rids)
	p.rids = rids
	return changed
}

// Layers returns how many layers the member's picture has, 0 for one without a RID.
func (p *Publisher) Layers() int { return len(p.rids) }

// Ask notes what a decision asks of the member's picture, and of its screen if it presents that.
func (p *Publisher) Ask(layers [share.MaxLayers]share.Ask, screen share.Ask, presents bool) {
	p.layers, p.screen, p.presents = layers, screen, presents
}

// Limit returns the limit by RTCP of all pictures together, in bit/s, if the member is to hear it now.
func (p *Publisher) Limit(now time.Time) (bitrate int, due bool) {
	for _, a := range append([]share.Ask{p.screen}, p.layers[:]...) {
		if a.On {
			bitrate += a.MaxBitrate
		}
	}
	if bitrate == 0 || p.limit == bitrate && now.Sub(p.at) < again {
		return 0, false
	}
	p.limit, p.at = bitrate, now
	return bitrate, true
}

// Tell returns what the member's page is to be told, if it is to be told now. taken says that another member takes the
// picture, and alone that there is no other one: then a page decides by itself (decision 38).
func (p *Publisher) Tell(taken, alone bool, now time.Time) (l signalling.Layers, due bool) {
	asks := append(p.wanted(taken, alone), p.screen)
	if !p.told.due(asks, p.presents, now) {
		return signalling.Layers{}, false
	}
	return p.Message(taken, alone), true
}

// Forget makes the next Tell due, because there is a page that was told nothing.
func (p *Publisher) Forget() { p.told = told{} }

// Message returns what a page is told.
func (p *Publisher) Message(taken, alone bool) signalling.Layers {
	wanted, rids := p.wanted(taken, alone), p.rids
	if rids == nil {
		rids = []string{""}
	}
	video := make([]signalling.VideoLayer, len(rids))
	for l, rid := range rids {
		video[l] = signalling.VideoLayer{RID: rid, Active: wanted[l].On, MaxBitrate: limit(wanted[l])}
	}
	l := signalling.Layers{Video: video}
	if p.presents {
		l.Screen = &signalling.ScreenLayer{Active: p.screen.On, MaxBitrate: limit(p.screen)}
	}
	return l
}

// limit returns what a layer that is on may take, in bit/s.
func limit(a share.Ask) int {
	if !a.On {
		return 0
	}
	return min(a.MaxBitrate, signalling.MaxBitrate)
}

func (p *Publisher) wanted(taken, alone bool) []share.Ask {
	wanted := append(make([]share.Ask, 0, share.MaxLayers+1), p.layers[:]...)
	for l := range wanted {
		wanted[l].On = taken && (wanted[l].On || alone)
	}
	return wanted
}
