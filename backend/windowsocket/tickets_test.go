package windowsocket

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/fault"
)

func TestTickets(t *testing.T) {
	s, conns := listen(t)
	used := s.Grant("first")
	ws := mustDial(t, used.URL)
	say(t, ws, "enter", map[string]string{"token": used.Token})
	<-conns
	for name, first := range map[string]string{
		"wrong token":    `{"type":"enter","payload":{"token":"AAAA"}}`,
		"empty token":    `{"type":"enter","payload":{"token":""}}`,
		"no token":       `{"type":"enter"}`,
		"used token":     `{"type":"enter","payload":{"token":"` + used.Token + `"}}`,
		"another first":  `{"type":"say","payload":{"text":"hello"}}`,
		"garbage":        "garbage",
		"taken as first": `{"type":"taken","payload":{"index":0,"frames":0}}`,
	} {
		t.Run(name, func(t *testing.T) {
			ws := mustDial(t, s.Grant(nil).URL)
			if err := ws.Write(contextFor(t), websocket.MessageText, []byte(first)); err != nil {
				t.Fatal(err)
			}
			if code, reason := closedWith(t, ws); code != closeRefused || reason != string(fault.TokenRefused) {
				t.Errorf("closed with %d %q", code, reason)
			}
		})
	}
	t.Run("binary", func(t *testing.T) {
		ticket := s.Grant(nil)
		ws := mustDial(t, ticket.URL)
		if err := ws.Write(contextFor(t), websocket.MessageBinary, []byte(`{"type":"enter","payload":{"token":"`+ticket.Token+`"}}`)); err != nil {
			t.Fatal(err)
		}
		if code, _ := closedWith(t, ws); code != closeRefused {
			t.Errorf("closed with %d", code)
		}
	})
	t.Run("oversize", func(t *testing.T) {
		ws := mustDial(t, s.Grant(nil).URL)
		if err := ws.Write(contextFor(t), websocket.MessageText, bytes.Repeat([]byte(" "), 4096)); err != nil {
			t.Fatal(err)
		}
		if code, _ := closedWith(t, ws); code != websocket.StatusMessageTooBig {
			t.Errorf("closed with %d", code)
		}
	})
	select {
	case <-conns:
		t.Error("somebody came in")
	default:
	}
}

func TestTicketsExpireAndAreBounded(t *testing.T) {
	var k tickets
	now := time.Unix(1000, 0)
	token := k.grant("a", now)
	if _, ok := k.use(token, now.Add(ticketLife)); ok {
		t.Error("an old ticket is good")
	}
	token = k.grant("b", now)
	if claims, ok := k.use(token, now.Add(ticketLife-1)); !ok || claims != "b" {
		t.Errorf("%v, %v", claims, ok)
	}
	if _, ok := k.use(token, now); ok {
		t.Error("used twice")
	}
	first := k.grant("first", now)
	for range maxTickets {
		token = k.grant("later", now)
	}
	if len(k.open) != maxTickets {
		t.Errorf("%d tickets", len(k.open))
	}
	if _, ok := k.use(first, now); ok {
		t.Error("the oldest did not give way")
	}
	if _, ok := k.use(token, now); !ok {
		t.Error("the newest is not good")
	}
	if _, ok := k.use("", now); ok {
		t.Error("no token is good")
	}
}

// TestTicketIsUsedOnce: many windows use one ticket at the same time.
func TestTicketIsUsedOnce(t *testing.T) {
	var k tickets
	token := k.grant(nil, time.Now())
	var wg sync.WaitGroup
	in := make(chan struct{}, 50)
	for range cap(in) {
		wg.Go(func() {
			if _, ok := k.use(token, time.Now()); ok {
				in <- struct{}{}
			}
		})
	}
	wg.Wait()
	if len(in) != 1 {
		t.Errorf("%d came in", len(in))
	}
}
