// Package player says what a person would see and hear of the packets that arrived: gaps of sound, freezes of pictures,
// frame rates, sizes and delays. It also asks for what is missing, as browsers do. It has no goroutine, no clock and no
// socket. Times are since the epoch, of one clock for all processes of the laboratory.
package player
