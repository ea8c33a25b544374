//go:build !darwin

package desktop

// HidesOnClose means that closing the window hides it. Only a Mac can bring it
// back, so on other systems the window is minimised.
const HidesOnClose = false
