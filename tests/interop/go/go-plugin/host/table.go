package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"text/tabwriter"
)

// table: the bench of our plugin beside the one of Go's, in one run, as a table. args: the other plugin, and for how long
// each measurement.
func table(ours string, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: host table <our plugin> <Go's plugin> <duration>")
	}
	measured := make([]figures, 2)
	for i, file := range []string{ours, args[0]} {
		// A host of its own for each, so that neither inherits the other's heap.
		command := exec.Command(os.Args[0], "bench", file, args[1])
		var out bytes.Buffer
		command.Stdout, command.Stderr = &out, os.Stderr
		if err := command.Run(); err != nil {
			return err
		}
		if err := json.Unmarshal(out.Bytes(), &measured[i]); err != nil {
			return err
		}
	}
	rust, peer := measured[0], measured[1]
	writer := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(writer, "a call with a 45 KB argument that does nothing\tRust\tGo\tRust / Go\t")
	row := func(what string, rust, peer float64) {
		fmt.Fprintf(writer, "%s\t%.0f\t%.0f\t%.2f\t\n", what, rust, peer, rust/peer)
	}
	row("calls/s, 10 callers", rust.Ten, peer.Ten)
	row("p50 µs, 10 callers", float64(rust.TenP50Micros), float64(peer.TenP50Micros))
	row("p99 µs, 10 callers", float64(rust.TenP99Micros), float64(peer.TenP99Micros))
	row("calls/s, 1 caller", rust.One, peer.One)
	row("p50 µs, 1 caller", float64(rust.OneP50Micros), float64(peer.OneP50Micros))
	row("p50 µs, 1 caller, small argument", float64(rust.SmallP50), float64(peer.SmallP50))
	row("p99 µs of Ping beside 10 callers", float64(rust.PingP99), float64(peer.PingP99))
	row("plugin's CPU µs a call", rust.CPUMicros, peer.CPUMicros)
	row("exec to first answer µs", float64(rust.StartMicros), float64(peer.StartMicros))
	row("resident KiB, idle", float64(rust.IdleKiB), float64(peer.IdleKiB))
	row("resident KiB, after the load", float64(rust.LoadedKiB), float64(peer.LoadedKiB))
	return writer.Flush()
}
