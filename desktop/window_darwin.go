package desktop

// HidesOnClose means that closing the window hides it, as usual on a Mac.
const HidesOnClose = true
