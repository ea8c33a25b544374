// Package crowd is a number of headless guests in one call, who publish a
// picture and a tone of a given rate and count what they receive: the load for
// measurements. What they publish is formed like VP8 and Opus, so that a
// forwarder treats it as such, but shows and sounds like nothing.
package crowd
