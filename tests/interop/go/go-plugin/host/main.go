// A host built on hashicorp/go-plugin. Each scenario drives the plugin it is given through one of the things that a
// plugin has to hold, and exits with 1 and a sentence when it does not.
package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// A scenario gets the plugin's file and its own further arguments.
type scenario func(plugin string, args []string) error

var scenarios = map[string]scenario{
	"calls":       calls,
	"large":       large,
	"overlap":     overlap,
	"hang":        hang,
	"panic":       panics,
	"crash":       crash,
	"busy":        busy,
	"blocked":     blocked,
	"reattach":    reattach,
	"connections": connections,
	"print":       prints,
	"log":         logs,
	"quit":        quit,
	"signals":     signals,
	"hold":        hold,
	"socket":      socket,
	"version":     version,
	"cookie":      cookie,
	"mtls":        mtls,
	"idle":        idle,
	"patience":    patience,
	"half-closed": halfClosed,
	"go-away":     goAway,
	"unread":      unread,
	"late":        late,
	"unread-log":  unreadLog,
	"flood":       flood,
	"bench":       bench,
	"table":       table,
}

func main() {
	if len(os.Args) < 3 || scenarios[os.Args[1]] == nil {
		names := slices.Sorted(maps.Keys(scenarios))
		fmt.Fprintf(os.Stderr, "usage: host <scenario> <plugin> [...], where the scenario is one of %s\n", strings.Join(names, ", "))
		os.Exit(2)
	}
	if err := scenarios[os.Args[1]](os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
