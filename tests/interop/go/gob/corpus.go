package main

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"

	"serinus.dev/interop/gob/wire"
)

// A line of corpus.json.
type entry struct {
	Name  string `json:"name"`
	About string `json:"about,omitempty"`
	// Declarations in Go syntax.
	Schema string `json:"schema"`
	// For each value the type it was sent as, in Go syntax, and its content (wire.Content).
	Types  []string `json:"types"`
	Values []any    `json:"values"`
	// The stream is what our encoder must write, byte for byte.
	Exact bool `json:"exact"`
}

func writeCorpus(dir string) error {
	var entries []entry
	for _, c := range cases() {
		// Ids of types are counted in the process, so each stream comes from a new one.
		stream, err := exec.Command(os.Args[0], "stream", c.name).Output()
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, c.name+".gob"), stream, 0o644); err != nil {
			return err
		}
		entries = append(entries, describe(c))
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(entries); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "corpus.json"), text.Bytes(), 0o644)
}

func writeStream(name string) error {
	for _, c := range cases() {
		if c.name != name {
			continue
		}
		encoder := gob.NewEncoder(os.Stdout)
		for _, value := range c.values {
			if err := encoder.Encode(value); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("no case %s", name)
}

func describe(c testCase) entry {
	e := entry{Name: c.name, About: c.about, Exact: c.exact}
	var types []reflect.Type
	for _, value := range c.values {
		t := reflect.TypeOf(value)
		if t.Kind() == reflect.Pointer && wire.Method(t.Elem()) == "" {
			t = t.Elem()
		}
		types = append(types, t)
		e.Types = append(e.Types, t.String())
		e.Values = append(e.Values, wire.Content(value))
	}
	e.Schema = wire.Declare(types...)
	return e
}
