package call

// Stats counts what a call has done since it began.
type Stats struct {
	Participants     int    `json:"participants"`
	ReceivedPackets  uint64 `json:"receivedPackets"`  // RTP, decrypted
	ReceivedBytes    uint64 `json:"receivedBytes"`    // of their payload
	ForwardedPackets uint64 `json:"forwardedPackets"` // RTP, written to receivers
	ForwardedBytes   uint64 `json:"forwardedBytes"`   // of their payload
	Retransmitted    uint64 `json:"retransmitted"`    // packets sent again on NACK
	UnadmittedMedia  uint64 `json:"unadmittedMedia"`  // packets stopped because their receiver was not admitted
	KeyframeRequests uint64 `json:"keyframeRequests"` // PLI sent to senders, after merging
}
