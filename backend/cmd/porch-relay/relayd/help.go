package relayd

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

const helpHead = `porch-relay makes Porch's call links open from anywhere. It serves the page that
guests open, passes sealed messages between guests and hosts, and relays media
for those who can't reach each other. It can't read a name, a chat or a call.

  porch-relay -domain call.example.org -email you@example.org    run a relay
  porch-relay check -domain call.example.org                     tell what is wrong, from outside
  porch-relay invite -invitations FILE -name NAME                make an invitation for a host
  porch-relay version                                            tell the version

Every setting is a flag, a variable of the environment (PORCH_RELAY_TURN_PORTS for
-turn-ports) or a line of the file that -config names (turn-ports = "49152-65535").
Flags win over the environment, and that over the file.
SIGHUP reads invitations, hosts' keys and certificate files again. SIGTERM drains:
whoever is here may finish (-drain), nobody new comes in.
`

// writeHelp writes the whole help, group by group.
func (c *configuration) writeHelp(w io.Writer) {
	fmt.Fprint(w, helpHead)
	for _, g := range c.groups {
		fmt.Fprintf(w, "\n%s\n", g.title)
		for _, name := range g.names {
			f := c.all.Lookup(name)
			kind, usage := flag.UnquoteUsage(f)
			dash := "-"
			if c.secret[name] {
				dash, kind = "", ""
				usage += " (environment or file only)"
			}
			if f.DefValue != "" && f.DefValue != "false" && !strings.Contains(usage, "default:") {
				usage += " (default " + f.DefValue + ")"
			}
			writeWrapped(w, "  "+strings.TrimSpace(dash+name+" "+kind), usage)
		}
	}
}

// writeWrapped writes a name with its meaning beside it.
func writeWrapped(w io.Writer, name, meaning string) {
	const column, width = 28, 100
	line := name
	if len(line) >= column-1 {
		fmt.Fprintln(w, line)
		line = ""
	}
	line += strings.Repeat(" ", column-len(line))
	empty := true
	for word := range strings.FieldsSeq(meaning) {
		if !empty && len(line)+1+len(word) > width {
			fmt.Fprintln(w, line)
			line, empty = strings.Repeat(" ", column), true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	fmt.Fprintln(w, line)
}
