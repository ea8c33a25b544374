package call

import (
	"slices"
	"time"

	"github.com/porch-call/porch/backend/media/speaking"
	"github.com/porch-call/porch/backend/signalling"
)

// How often the reporter does its work.
const (
	reporterTick     = 50 * time.Millisecond // repeats requests that were not answered
	feedbackInterval = 2                     // ticks: congestion feedback to senders
	speakingInterval = 2                     // ticks: who is speaking
	reportInterval   = 20                    // ticks: sender and receiver reports
	machineInterval  = 2                     // ticks: whether this computer keeps up
)

// runReporter is the goroutine that works by the clock. It repeats requests, sends RTCP reports and judges who is
// speaking. It rests while the call is empty.
func (c *Call) runReporter() {
	ticker := time.NewTicker(reporterTick)
	defer ticker.Stop()
	for n := uint(1); ; n++ {
		if len(*c.members.Load()) == 0 {
			ticker.Stop()
			select {
			case <-c.wake:
			case <-c.done:
				return
			}
			ticker.Reset(reporterTick)
		}
		select {
		case now := <-ticker.C:
			c.tick(n, now)
		case <-c.done:
			return
		}
	}
}

func (c *Call) tick(n uint, now time.Time) {
	members := *c.members.Load()
	var speakers []speaking.Speaker
	for i, m := range members {
		for _, t := range m.sent() {
			t.Tick(now)
		}
		if n%speakingInterval == 0 {
			if s, active := m.audio.JudgeLoudness(); active {
				speakers = append(speakers, s)
			}
		}
		if n%clockEvery == 0 {
			m.tellClocks(now)
		}
		p := m.connection.Load()
		if p == nil {
			continue
		}
		p.watchLine(now)
		if n%feedbackInterval == 0 {
			p.sendCongestionFeedback()
		}
		// The members take turns, so that the reports of a large call don't leave in one burst.
		if (n+uint(i))%reportInterval == 0 {
			p.sendReports(now)
		}
	}
	c.engine.lines.Tick(now)
	if n%machineInterval == 0 {
		c.watchMachine(now)
	}
	if n%planEvery == 0 || n%hurryEvery == 0 && c.hurry.Swap(false) {
		c.post(c.plan)
	}
	if n%speakingInterval == 0 {
		c.speakersAre(speaking.LoudestFirst(c.spoken, speakers))
	}
}

// speakersAre tells all participants who is speaking, if that has changed.
func (c *Call) speakersAre(ids []string) {
	if old := c.spoken; slices.Equal(old, ids) {
		return
	}
	c.spoken = ids
	c.post(func() {
		c.speaking = ids
		c.broadcast(signalling.Speaking{IDs: ids})
	})
}
