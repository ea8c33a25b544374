//go:build cgo && (linux || porch_native) && !race

package capture

import (
	"fmt"
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

func newSoundProcessor() (*soundProcessor, error) {
	module, err := apm.NewAPM(apm.DefaultConfig())
	if err != nil {
		return nil, fmt.Errorf("open audio processing: %w", err)
	}
	return &soundProcessor{module: module}, nil
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
