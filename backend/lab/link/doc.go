// Package link is a line of the laboratory: two directions, each with a rate, a queue, a delay and faults, which may
// change by a script. It says what it saw: the queue over time, what it carried and dropped, and each flow.
//
// [Direction] is the model. It has no goroutine and takes the time as an argument. [Open] makes a link between two TUN
// devices from two of them.
package link
