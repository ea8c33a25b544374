package relayd

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay/metering"
	"github.com/porch-call/porch/backend/relay/turn"
	"github.com/porch-call/porch/backend/version"
)

// metrics are what /metrics serves. Their labels come from closed sets. No link,
// host or address is ever a label.
type metrics struct {
	registry   *prometheus.Registry
	open       *prometheus.GaugeVec
	refused    *prometheus.CounterVec
	unanswered prometheus.Counter
	frames     *prometheus.CounterVec
	bytes      *prometheus.CounterVec
	draining   prometheus.Gauge

	guests atomic.Int64 // open sockets
}

// newMetrics registers all metrics but TURN's; for those see watchTurn.
func newMetrics(status func() certificateStatus) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "porch_open", Help: "What is open now: TCP connections, hosts that have dialled in, links they have announced, guests' sockets.",
		}, []string{"what"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "porch_refused_total", Help: "Who was turned away, and the fault that they were told.",
		}, []string{"what", "code"}),
		unanswered: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "porch_unanswered_total", Help: "Questions about links that no host answers: unknown, removed, spent or offline.",
		}),
		frames: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "porch_frames_total", Help: "Sealed frames passed on.",
		}, []string{"to"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "porch_frame_bytes_total", Help: "Bytes of these frames.",
		}, []string{"to"}),
		draining: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "porch_draining", Help: "1 while this relay prepares to stop.",
		}),
	}
	for _, what := range []metering.Kind{metering.Connections, metering.Hosts, metering.Links, metering.Guests} {
		m.open.WithLabelValues(string(what)) // so that zeros show
	}
	for _, to := range []string{"host", "guest"} {
		m.frames.WithLabelValues(to)
		m.bytes.WithLabelValues(to)
	}
	m.registry.MustRegister(
		m.open, m.refused, m.unanswered, m.frames, m.bytes, m.draining,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "porch_certificate_expires_seconds", Help: "When the certificate expires, in seconds since 1970; 0 when there is none.",
		}, func() float64 {
			if s := status(); !s.expires.IsZero() {
				return float64(s.expires.Unix())
			}
			return 0
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "porch_certificate_trouble", Help: "1 while a certificate can't be obtained, renewed or read.",
		}, func() float64 {
			if status().trouble != nil {
				return 1
			}
			return 0
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "porch_info", Help: "Always 1; the version is in the label.", ConstLabels: prometheus.Labels{"version": version.Number()},
		}, func() float64 { return 1 }),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// watchPanics adds the number of panics that a part has contained.
func (m *metrics) watchPanics(part string, count func() uint64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "porch_panics_total", Help: "Faults of the program that have ended one client each. Tell us.",
		ConstLabels: prometheus.Labels{"part": part},
	}, func() float64 { return float64(count()) }))
}

// Open implements [metering.Meter].
func (m *metrics) Open(what metering.Kind, delta int) {
	m.open.WithLabelValues(string(what)).Add(float64(delta))
	if what == metering.Guests {
		m.guests.Add(int64(delta))
	}
}

// Refused implements [metering.Meter].
func (m *metrics) Refused(what metering.Kind, code fault.Code) {
	m.refused.WithLabelValues(string(what), string(code)).Inc()
}

// Unanswered implements [metering.Meter].
func (m *metrics) Unanswered() { m.unanswered.Inc() }

// Passed implements [metering.Meter].
func (m *metrics) Passed(toHost bool, bytes int) {
	to := "guest"
	if toHost {
		to = "host"
	}
	m.frames.WithLabelValues(to).Inc()
	m.bytes.WithLabelValues(to).Add(float64(bytes))
}

// turnMetrics reads a TURN server's own counters at each request.
type turnMetrics struct{ stats func() turn.Stats }

var (
	turnAllocations = prometheus.NewDesc("porch_turn_allocations", "Relayed ways that exist now.", nil, nil)
	turnMade        = prometheus.NewDesc("porch_turn_allocations_total", "Relayed ways that were made.", nil, nil)
	turnStreams     = prometheus.NewDesc("porch_turn_streams", "TCP and TLS connections to TURN now.", nil, nil)
	turnBytes       = prometheus.NewDesc("porch_turn_bytes_total", "Bytes relayed, without headers.", []string{"from"}, nil)
	turnPackets     = prometheus.NewDesc("porch_turn_packets_total", "Packets relayed.", []string{"from"}, nil)
	turnRefused     = prometheus.NewDesc("porch_turn_refused_total", "What TURN has refused, and why.", []string{"why"}, nil)
)

// Describe implements prometheus.Collector.
func (t turnMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{turnAllocations, turnMade, turnStreams, turnBytes, turnPackets, turnRefused} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (t turnMetrics) Collect(to chan<- prometheus.Metric) {
	s := t.stats()
	gauge := func(d *prometheus.Desc, n int) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n))
	}
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge(turnAllocations, s.Allocations)
	gauge(turnStreams, s.Streams)
	counter(turnMade, s.AllocationsTotal)
	for from, traffic := range map[string]turn.Traffic{"client": s.FromClients, "peer": s.ToClients} {
		counter(turnBytes, traffic.Bytes, from)
		counter(turnPackets, traffic.Packets, from)
	}
	for why, n := range s.Refused {
		counter(turnRefused, n, why.String())
	}
}

// health is what /healthz of the admin address returns.
type health struct {
	Well        bool      `json:"well"`
	Draining    bool      `json:"draining"`
	Certificate string    `json:"certificate"` // "ok", "none", "expired", or why the next one is late
	Expires     time.Time `json:"expires,omitzero"`
	Nodes       int       `json:"nodes,omitempty"` // of this relay, as far as this one has heard
	Bus         string    `json:"bus,omitempty"`   // "ok" or "gone"
}
