// Command gob is the Go peer of crates/gob.
//
//	gob corpus DIR    writes the corpus that crates/gob/tests/corpus.rs reads
//	gob serve         answers requests on stdin, one JSON object a line (serve.go)
//	gob decode FILE   times gob's decoder on a stream (decode.go)
package main

import (
	"fmt"
	"os"
)

func main() {
	args := append(os.Args[1:], "", "")
	var err error
	switch args[0] {
	case "corpus":
		err = writeCorpus(args[1])
	case "stream":
		err = writeStream(args[1])
	case "serve":
		err = serve(os.Stdin, os.Stdout)
	default:
		err = fmt.Errorf("usage: gob corpus DIR | gob serve")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gob:", err)
		os.Exit(1)
	}
}
