// Package capture is the native media engine. The host's window uses it where the webview has no RTCPeerConnection
// (WebKitGTK), or if the host chooses it.
//
// An engine owns both capture and playback, because echo cancellation needs both. The camera's pictures are encoded
// as VP8. The microphone's sound goes through echo cancellation, noise suppression and gain control, and is encoded
// as Opus. Both go to the forwarder as RTP packets. The other participants' packets come back from the forwarder and
// go through package playout: audio to the speaker, and video as whole VP8 frames to the window's WebCodecs decoder.
// Each stream is encoded once, because the forwarder copies it to all receivers.
//
// All hardware is behind two interfaces, videoSource and audioSystem, and is opened only when needed, on goroutines
// of its own. A driver may fail, hang, vanish or panic. The session then continues without it and reports a fault.
// Synthetic sources implement the same interfaces.
//
// The pure parts (governor, audioUplink, vp8Packetiser, bestMode, scaleInto) have no I/O and take the time as an
// argument.
//
// # Builds
//
// The full engine needs cgo, libvpx and libopus. On Linux it is always built in. On Windows and macOS it needs the
// build tag porch_native, because importing mediadevices' drivers runs code at start-up that keeps WebView2 from
// opening (jchv/go-webview2#13). Every other build has an engine that returns fault.EngineUnavailable. In builds with
// the race detector, the audio processing module passes sound through unprocessed; see apm_race.go.
//
// The package knows nothing of calls, sockets or windows.
package capture
