// Command gob is the Go peer of crates/gob.
package main

func main() {}
