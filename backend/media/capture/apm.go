//go:build cgo && (linux || porch_native) && !race

package capture

import (
	"fmt"
	"strings"
	"sync"

	"github.com/livekit/livekit-cli/v2/pkg/apm"
)

// soundProcessor cleans the microphone's sound. It is WebRTC's audio processing module with echo cancellation (AEC3),
// noise suppression, automatic gain control and a high-pass filter. Different methods may be called from different
// goroutines at the same time; each method only by one at a time.
type soundProcessor struct {
	mu     sync.RWMutex // read-locked by render and capture, locked by close
	module *apm.APM     // nil once closed
}

// processesSound says whether this build cleans sound.
const processesSound = true

// configOf says what is done to sound that keeps what the words name; see Choice.
func configOf(kept string) apm.APMConfig {
	config := apm.DefaultConfig()
	for word := range strings.FieldsSeq(kept) {
		switch word {
		case "noise":
			config.NoiseSuppressor = false
		case "gain":
			config.GainController = false
		case "music":
			config.EchoCanceller, config.GainController = false, false
			config.HighPassFilter, config.NoiseSuppressor = false, false
		}
	}
	return config
}

func newSoundProcessor(kept string) (*soundProcessor, error) {
	module, err := apm.NewAPM(configOf(kept))
	if err != nil {
		return nil, fmt.Errorf("open audio processing: %w", err)
	}
	return &soundProcessor{module: module}, nil
}

// keep changes what the sound keeps. If that can't be done, it stays as it is.
func (p *soundProcessor) keep(words string) {
	module, err := apm.NewAPM(configOf(words))
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.module
	if old == nil { // closed
		old, module = module, nil
	}
	p.module = module
	old.Close()
}

// render takes a block just before it is played.
func (p *soundProcessor) render(block []int16) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.module != nil {
		_ = p.module.ProcessRender(block) // fails only for blocks of the wrong length
	}
}

// capture cleans a block from the microphone in place.
func (p *soundProcessor) capture(block []int16) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.module != nil {
		_ = p.module.ProcessCapture(block)
	}
}

// close frees the module. After that, sound passes through unprocessed.
func (p *soundProcessor) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.module != nil {
		p.module.Close()
		p.module = nil
	}
}
