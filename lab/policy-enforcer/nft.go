package main

import (
	"fmt"
	"os/exec"
	"strings"
)

// load hands a table to the kernel, which takes all of it at once or nothing.
func load(table string) error { return nft(table, "--file", "-") }

func nft(input string, arguments ...string) error {
	command := exec.Command("nft", arguments...)
	command.Stdin = strings.NewReader(input)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot write the table: %w: %s", err, output)
	}
	return nil
}
