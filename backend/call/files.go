package call

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/call/files"
	"github.com/porch-call/porch/backend/call/lines"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/rate"
	"github.com/porch-call/porch/backend/signalling"
)

// Files that participants send to each other; see package files. Who offers what is decided on the call's goroutine. The
// bytes of guests come and go by a data channel of their peer connection, which is offered once it is needed, and those of
// the host's window by its socket.

func (c *Call) newDesk() *files.Desk {
	return files.NewDesk(files.Options{
		Dir: c.engine.spool, Logger: c.engine.logger, Patience: c.engine.filePatience,
		Over: func(id uint32, why files.Why) {
			reason := signalling.OverRefused
			if why == files.WhyRoom {
				reason = signalling.OverRoom
			}
			c.post(func() { c.fileOver(uint64(id), reason) })
		},
		Line: func(who string) files.Line {
			if m := c.member(who); m != nil {
				return m.fileLine()
			}
			return files.Line{}
		},
	})
}

// fileLine returns what is known of the way to m.
func (m *member) fileLine() files.Line {
	p := m.connection.Load()
	if m.profile.Host || p == nil || p.path.Load() != nil && lines.Way(p.way.Load()) == lines.Loopback {
		return files.Line{Near: true}
	}
	e := p.out.Estimator()
	return files.Line{Known: p.out.Reported(), Queue: e.Queue(), Full: e.State() == rate.Overuse}
}

var errNoFiles = errors.New("this call passes no files")

// attach tells all participants of a file that m offers.
func (c *Call) attach(m *member, a signalling.Attach) error {
	if c.desk == nil {
		return fault.New(fault.MessageUnexpected, errNoFiles)
	}
	if line, ok := c.chat.Again(a.Token); ok {
		m.send(signalling.Chat{Line: line})
		return nil
	}
	now := time.Now()
	file, err := c.book.Offer(m.profile.ID, m.offering, a, now)
	if err != nil {
		return err
	}
	line := c.chat.Add(signalling.ChatLine{
		Participant: m.profile.ID, Name: m.profile.Name, At: now.UnixMilli(), Token: a.Token, File: file,
		// For pages from before there were files.
		Text: fmt.Sprintf("📎 %s (%.1f MB). This page is too old to take files.", file.Name, float64(file.Size)/1e6),
	})
	c.book.Add(line.ID, m.profile.ID)
	c.desk.Offer(uint32(line.ID), m.profile.ID, file.Name, file.Size)
	c.broadcast(signalling.Chat{Line: line})
	return nil
}

// takeFile begins to send m the file of a chat line that it may read, or ends that.
func (c *Call) takeFile(m *member, t signalling.Take) error {
	if c.desk == nil {
		return fault.New(fault.MessageUnexpected, errNoFiles)
	}
	if !t.On {
		c.desk.Drop(uint32(t.Line), m.profile.ID)
		return nil
	}
	if _, ok := c.book.Owner(t.Line); !ok || t.Line < m.firstLine {
		return fault.New(fault.FileGone, nil)
	}
	lacking, err := c.desk.Take(uint32(t.Line), m.profile.ID, uint8(t.Try))
	for _, id := range lacking {
		c.openFiles(id)
	}
	return err
}

// openFiles offers a participant the data channel, if it has a peer connection.
func (c *Call) openFiles(id string) {
	if m := c.member(id); m != nil && m.peer != nil && !m.profile.Host {
		p := m.peer
		p.enqueue(func() {
			p.sections.WantFiles(p.filesMade)
			p.negotiate()
		})
	}
}

// takeBack ends the offer of a file, at its owner's wish.
func (c *Call) takeBack(m *member, line uint64) {
	if owner, ok := c.book.Owner(line); ok && owner == m.profile.ID {
		c.desk.End(uint32(line))
		c.fileOver(line, signalling.OverTakenBack)
	}
}

// fileOver tells all that a file can't be had any more.
func (c *Call) fileOver(line uint64, why string) {
	if c.book.Over(line) {
		c.chat.Over(line, why)
		c.broadcast(signalling.FileOver{Line: line, Why: why})
	}
}

// leaveFiles ends what m offers and receives.
func (c *Call) leaveFiles(m *member) {
	if c.desk == nil {
		return
	}
	for _, line := range c.book.Of(m.profile.ID) {
		c.desk.End(uint32(line))
		c.fileOver(line, signalling.OverGone)
	}
	c.desk.Leave(m.profile.ID)
}

// filesMade takes the data channel of p as soon as it is made.
func (p *peer) filesMade(dc *webrtc.DataChannel) {
	d := p.call.desk
	who, way := p.member.profile.ID, &dataPipe{dc}
	dc.OnOpen(func() {
		if p.member.admitted.Load() {
			d.Connect(who, way)
		}
	})
	dc.OnClose(func() { d.Disconnect(who, way) })
	dc.OnMessage(func(m webrtc.DataChannelMessage) {
		if !p.call.engine.panics.Run(func() { p.fileFrame(way, m) }) {
			p.failed(errPanic)
		}
	})
	// Whoever opens another one breaks the protocol.
	p.pc.OnDataChannel(func(*webrtc.DataChannel) {
		p.failed(fault.Newf(fault.MessageUnexpected, "a data channel that was not offered"))
	})
}

// fileFrame takes a message of the data channel, on the goroutine that reads it.
func (p *peer) fileFrame(way *dataPipe, m webrtc.DataChannelMessage) {
	d, who := p.call.desk, p.member.profile.ID
	err := error(fault.Newf(fault.MessageMalformed, "files: text"))
	if !m.IsString {
		err = d.Handle(who, way, m.Data)
	}
	if err == nil {
		return
	}
	d.Disconnect(who, way)
	way.Close()
	code := fault.CodeOf(err)
	p.call.post(func() {
		p.call.toPeer(p, signalling.Fault{Code: string(code), Message: fault.Sentence(code)})
	})
}

// dataPipe is a data channel as a way for frames.
type dataPipe struct{ dc *webrtc.DataChannel }

func (w *dataPipe) Send(b []byte) error { return w.dc.Send(b) }

// Close does not wait, because the guest may never answer.
func (w *dataPipe) Close() { go func() { _ = w.dc.Close() }() }

// Files returns the way of the host's window for files, and nil if the call passes none.
func (c *Call) Files() *files.Desk { return c.desk }

// SaveFile writes the file of a chat line to w, for the host, and tells how many bytes there are. Faults: FileGone,
// FileStopped, FileRefused, FilesFull, TooFast, CallEnded; and the error of w.
func (c *Call) SaveFile(ctx context.Context, line uint64, id string, w io.Writer, told func(int64)) error {
	if c.desk == nil {
		return fault.New(fault.MessageUnexpected, errNoFiles)
	}
	return c.desk.Save(ctx, uint32(line), id, w, func(owner string) { c.post(func() { c.openFiles(owner) }) }, told)
}

// FileName returns the name of the file that a chat line offers. Fault: FileGone.
func (c *Call) FileName(line uint64) (name string, err error) {
	err = c.do(func() {
		for _, l := range c.chat.Since(line) {
			if l.ID == line && l.File != nil && l.File.Over == "" {
				name = strings.Clone(l.File.Name)
			}
		}
	})
	if err == nil && name == "" {
		err = fault.New(fault.FileGone, nil)
	}
	return name, err
}
