package desktop

// HidesOnClose says that closing the window hides it, as Mac programs do.
const HidesOnClose = true
