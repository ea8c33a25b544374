// Package capture is the native media engine: what the host's own window uses
// where the webview has no RTCPeerConnection (WebKitGTK), or by choice.
//
// An engine owns capture and playback together, because echo cancellation
// needs both: camera → VP8, microphone → echo cancellation, noise suppression,
// gain → Opus, both as RTP packets into the SFU; the others' packets back out
// of it, audio through a jitter buffer into the speaker, video as whole VP8
// frames for the window's WebCodecs decoder. Nothing is encoded twice: the SFU
// fans out.
//
// Everything that touches hardware sits behind two seams, videoSource and
// audioSystem, and is opened lazily on goroutines of its own: a driver may
// fail, hang, vanish or panic, and the session goes on without it and reports
// a fault. Synthetic sources stand at the same seams.
//
// The pure parts (jitterBuffer, delayEstimator, timeStretcher, mixer,
// vp8Assembler, lipSync, governor) have no I/O and take the time as an argument.
//
// # Builds
//
// The full engine needs cgo, libvpx and libopus. On Linux it is built in; on
// Windows and macOS only with the build tag porch_native, because importing
// mediadevices' drivers runs code at start-up that keeps WebView2 from opening
// (jchv/go-webview2#13). Every other build has an engine that answers
// fault.EngineUnavailable. In builds with the race detector the audio
// processing module passes sound through unprocessed: see apm_race.go.
//
// The package knows nothing of calls, sockets or windows.
package capture
