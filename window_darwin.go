package main

// hidesOnClose says that closing the window hides it, as Mac programs do.
const hidesOnClose = true
