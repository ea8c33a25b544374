package desktop

import "slices"

// HelpAsked reports whether a program's arguments ask what may be set.
func HelpAsked(args []string) bool {
	return slices.ContainsFunc(args, func(a string) bool { return a == "-h" || a == "-help" || a == "--help" || a == "help" })
}

// Help is what porch --help says: all that a person may set from outside. What is set in the window is not here.
const Help = `Porch makes links that anyone opens in a browser to join your call.

  porch                start Porch, or bring its window to the front
  porch --background   start with the window out of the way, as at login
  porch --version      say which version this is
  porch --help         say this

Variables of the environment:

  PORCH_DATA_DIR       the folder for links and settings
                       (default: porch in the system's folder for settings)
  PORCH_LISTEN         the address at which guests of this computer and this
                       network reach Porch (default: all, at port 7674;
                       127.0.0.1:0 keeps links on this computer)
  PORCH_PAGE           the https address of a web space with the page of
                       direct links (make page), for Open from anywhere
  PORCH_OUTER          ADDRESS:PORT of a port that your router passes on to
                       Porch, where Porch can't ask it by itself
  PORCH_CAPTURE        synthetic: a drawn picture and a tone in place of the
                       camera and the microphone
  HTTPS_PROXY, NO_PROXY  a proxy, if you let Porch look for updates

Everything else is under Settings in the window.
`
