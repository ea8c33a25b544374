package switchboard

// Where WebSockets are opened at a relay.
const (
	SocketPath = "/socket" // guests'
	HostPath   = "/host"   // hosts'
)
