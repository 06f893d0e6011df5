//go:build testtools

package main

// What tests need: writers, sleepers, eaters of memory and shells. All are free; the shipped runner starts none of them.
func init() {
	for _, name := range []string{"bash", "cat", "dd", "echo", "env", "head", "id", "printf", "seq", "setsid", "sh", "sleep", "tail", "true"} {
		known[name] = tool{free: true}
	}
	known["test-tool"] = tool{free: true, memory: 4 << 30} // a Go program reserves more than 1 GiB of addresses
}
