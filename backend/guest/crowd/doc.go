// Package crowd is a number of headless guests in one call. They publish video and audio at fixed rates and count
// what they receive, as the load for measurements. Their packets have the form of VP8 and Opus, so that a forwarder
// treats them as such, but no content that can be seen or heard.
package crowd
