package host

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/signalling"
)

// TestCrowd sends fifty guests to one door: some are let in, declined, removed,
// blocked, some vanish mid-knock. Everybody is answered, nobody is in whom the
// host did not let in, and no media went to anybody outside.
// A hundred browsers at one address can't keep out a guest from another one.
func TestACrowdAtOneAddress(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	knock := func(address, name string) *visitor {
		f.remote = switchboard.RemoteInfo{Key: address}
		v := f.greet(l, nil)
		v.send(signalling.Knock{Name: name})
		return v
	}
	var crowd []*visitor
	for i := range 64 {
		v := knock("crowd", fmt.Sprintf("Guest %d", i))
		expect[signalling.Waiting](v)
		crowd = append(crowd, v)
	}
	for i := range 36 {
		knock("crowd", fmt.Sprintf("Guest %d", 64+i)).ended(signalling.EndFull)
	}
	ada := knock("home", "Ada")
	expect[signalling.Waiting](ada)
	crowd[63].ended(signalling.EndFull)
	f.admit("Ada")
	ada.seated()
}

func TestCrowd(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	const crowd = 50
	guests := make([]*visitor, crowd)
	for i := range guests {
		v := f.greet(l, nil)
		v.send(signalling.Knock{Name: fmt.Sprintf("Guest %d", i)})
		guests[i] = v
	}
	s := f.until("fifty wait", func(s hoststate.State) bool { return len(s.Requests) == crowd })
	requests := make(map[string]string, crowd)
	for _, q := range s.Requests {
		requests[q.Name] = q.ID
	}
	let := 0
	for i, v := range guests {
		id := requests[fmt.Sprintf("Guest %d", i)]
		expect[signalling.Waiting](v)
		switch i % 5 {
		case 0:
			f.must(f.host.Admit(f.ctx, id))
			let++
		case 1:
			f.must(f.host.Decline(f.ctx, id))
		case 2:
			v.vanish()
		case 3:
			f.must(f.host.Block(f.ctx, id))
		default: // left waiting
		}
	}
	for i, v := range guests {
		switch i % 5 {
		case 0:
			v.seated()
		case 1:
			expect[signalling.Declined](v)
		case 3:
			v.ended(signalling.EndBlocked)
		}
	}
	f.until("those let in are in", func(s hoststate.State) bool {
		return len(s.Calls) == 1 && len(s.Calls[0].Participants) == let
	})
	for i := 0; i < crowd; i += 10 {
		f.must(f.host.RemoveParticipant(f.ctx, l.ID, guests[i].seat.Participant, false))
		guests[i].ended(signalling.EndKicked)
	}
	f.until("those removed are out", func(s hoststate.State) bool { return len(s.Calls[0].Participants) == let/2 })
	f.must(f.host.Link(l.ID).Remove(f.ctx))
	for i, v := range guests {
		if i%5 == 4 || i%10 == 5 {
			v.ended(signalling.EndRemoved)
		}
	}
	if n := f.host.Stats().UnadmittedMedia; n != 0 {
		t.Fatalf("%d packets to the unadmitted", n)
	}
}

// TestSixtyStrangersWithPictures: what the window is told of one of them is
// small, however many there are.
func TestSixtyStrangersWithPictures(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	picture := noisyPhoto(t)
	w := f.host.Watch()
	defer w.Close()
	var last *visitor
	for i := range 60 {
		last = f.greet(l, nil)
		last.send(signalling.Knock{Name: fmt.Sprint("Guest ", i), Picture: picture})
		expect[signalling.Waiting](last)
	}
	f.until("all pictures", func(s hoststate.State) bool {
		return len(s.Requests) == 60 && !slices.ContainsFunc(s.Requests, func(q hoststate.RequestView) bool { return q.Picture == "" })
	})
	size := func(c hoststate.Change) int {
		b, err := json.Marshal(c)
		f.must(err)
		return len(b)
	}
	all, err := w.Next(f.ctx)
	f.must(err)
	if once := 60 * len(f.host.Snapshot().Requests[0].Picture); size(all) > once+64<<10 {
		t.Errorf("%d bytes for pictures of %d", size(all), once)
	}
	for i, change := range []func(){
		last.vanish,
		func() { last = f.greet(l, last.back); last.send(signalling.Knock{Name: "Guest 59", Picture: picture}) },
		func() { f.must(f.host.AskToWait(f.ctx, f.host.Snapshot().Requests[3].ID, 0)) },
		func() { f.must(f.host.Decline(f.ctx, f.host.Snapshot().Requests[3].ID)) },
	} {
		change()
		c, err := w.Next(f.ctx)
		f.must(err)
		if n := size(c); n > 2048 {
			t.Errorf("change %d: %d bytes for the window", i, n)
		}
	}
}

// TestPicturesAreDecodedWithinPace: a device that knocks again and again makes
// the host decode no more pictures than it may knock, and only once the lobby has
// taken the knock.
func TestPicturesAreDecodedWithinPace(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	v := f.greet(l, nil)
	pictures := make(map[string]bool)
	for i := range 12 {
		v = f.greet(l, func(h *signalling.Hello) { h.Device = v.device })
		v.send(signalling.Knock{Name: "Ada", Picture: photo(t, 16+i, 16, "")})
		expect[signalling.Waiting](v)
		if s := f.host.Snapshot(); len(s.Requests) == 1 && s.Requests[0].Picture != "" {
			pictures[s.Requests[0].Picture] = true
		}
	}
	if n := len(pictures); n == 0 || n > 5 {
		t.Errorf("%d pictures were decoded of 12", n)
	}
	f.must(f.host.LockCall(f.ctx, l.ID, true))
	busy := f.host.still
	busy <- struct{}{} // whoever decodes now waits
	late := f.greet(l, nil)
	late.send(signalling.Knock{Name: "Late", Picture: noisyPhoto(t)})
	late.ended(signalling.EndLocked)
	<-busy
}

// noisyPhoto is the largest picture that a knock can carry, near enough.
func noisyPhoto(t *testing.T) string {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	img := image.NewGray(image.Rect(0, 0, 320, 320))
	for i := range img.Pix {
		if x, y := i%320/8, i/320/8; (x+y)%2 == 0 {
			img.Pix[i] = uint8(r.IntN(200))
		}
	}
	best := ""
	for quality := 1; quality <= 100; quality++ {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
			t.Fatal(err)
		}
		if text := base64.RawURLEncoding.EncodeToString(b.Bytes()); b.Len() <= signalling.MaxPicture && still(text) != "" {
			best = text
		}
	}
	if best == "" {
		t.Fatal("no picture is small enough")
	}
	return best
}
