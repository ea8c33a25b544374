// Package person is a guest of the laboratory. It sends pictures that were coded once and sound, obeys the host as a
// browser does, asks for what it misses as a browser does, and writes down what a person would have seen and heard.
//
// What it does not have of a browser: its own estimate of its way up (its rate is what it may send at most, and what
// the host says by REMB), and the smoothing of what it plays.
package person
