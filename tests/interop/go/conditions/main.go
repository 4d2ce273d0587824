// Command conditions is Argo Rollouts' own evaluator behind a line protocol: one JSON request a line on stdin, one JSON
// answer a line on stdout. Our evaluator is compared with it, and measured beside it (`-bench`).
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

// timeout bounds one evaluation. The peer has no step budget, and a goroutine cannot be stopped, so that a condition
// without end ends the program; who asked starts it again.
const timeout = 3 * time.Second

type request struct {
	Result    string  `json:"result"`
	Condition *string `json:"condition,omitempty"`
	// Expression makes the request one for a value of any type, which the answer's message prints.
	Expression *string `json:"expression,omitempty"`
	// Either of these makes the request one for a phase.
	Success *string `json:"success,omitempty"`
	Failure *string `json:"failure,omitempty"`
}

type answer struct {
	// Outcome is "true", "false", "value", "error", "timeout", or a phase.
	Outcome string `json:"outcome"`
	// Kind says where an error came from: "syntax", "type", "run", "not bool", or "panic".
	Kind    string `json:"kind,omitempty"`
	Message string `json:"message,omitempty"`
	// Line and Column are 1-based; 0 where the error has no place.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
}

func main() {
	bench := flag.Duration("bench", 0, "measure each condition of stdin for this long instead of answering")
	flag.Parse()

	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var asked request
			if err := json.Unmarshal(line, &asked); err != nil {
				fmt.Fprintln(os.Stderr, "bad request:", err)
				os.Exit(2)
			}
			if *bench > 0 {
				encoder.Encode(measure(asked, *bench))
			} else {
				given := answerInTime(asked)
				encoder.Encode(given)
				if given.Outcome == "timeout" {
					out.Flush()
					os.Exit(3)
				}
			}
			if in.Buffered() == 0 {
				out.Flush()
			}
		}
		if err != nil {
			break
		}
	}
	out.Flush()
}

func answerInTime(asked request) answer {
	done := make(chan answer, 1)
	go func() { done <- answerTo(asked) }()
	select {
	case given := <-done:
		return given
	case <-time.After(timeout):
		return answer{Outcome: "timeout"}
	}
}
