//go:build !darwin

package desktop

// HidesOnClose says that closing the window hides it: elsewhere than on a Mac
// nothing would bring it back, so it is minimised.
const HidesOnClose = false
