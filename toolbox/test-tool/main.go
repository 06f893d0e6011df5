// test-tool writes a known stream: what tests and benchmarks send through the runner beside kubectl.
//
//	test-tool write BYTES BLOCK    BYTES bytes to stdout in writes of BLOCK bytes
package main

import (
	"fmt"
	"os"
	"strconv"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "test-tool:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 || args[0] != "write" {
		return fmt.Errorf("usage: test-tool write BYTES BLOCK")
	}
	left, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil || left < 0 {
		return fmt.Errorf("BYTES %q is not a size", args[1])
	}
	size, err := strconv.Atoi(args[2])
	if err != nil || size < 1 || size > 64<<20 {
		return fmt.Errorf("BLOCK %q is not a size from 1 to 64 MiB", args[2])
	}
	fmt.Fprintln(os.Stderr, "listening")
	block := pattern(size)
	for left > 0 {
		n, err := os.Stdout.Write(block[:min(left, int64(size))])
		if err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}

// pattern repeats after 251 bytes, a prime, so that a block that was moved, lost or doubled shows.
func pattern(size int) []byte {
	block := make([]byte, size)
	for i := range block {
		block[i] = byte(i % 251)
	}
	return block
}
