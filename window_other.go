//go:build !darwin

package main

// hidesOnClose says that closing the window hides it: elsewhere than on a Mac
// nothing would bring it back, so it is minimised.
const hidesOnClose = false
