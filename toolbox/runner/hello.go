package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

type hello struct {
	Version        string   `json:"version"`
	Protocol       int      `json:"protocol"`
	UID            int      `json:"uid"`
	Capabilities   []string `json:"capabilities"`
	PingGroupRange string   `json:"pingGroupRange"`
	Tools          []string `json:"tools"`
	Landlock       int      `json:"landlock"`
}

func newHello(tools map[string]tool) hello {
	status, _ := os.ReadFile("/proc/self/status")
	pings, _ := os.ReadFile("/proc/sys/net/ipv4/ping_group_range") // empty where the kernel has no such pings
	return hello{
		Version:        version,
		Protocol:       protocol,
		UID:            os.Getuid(),
		Capabilities:   effectiveCapabilities(status),
		PingGroupRange: strings.Join(strings.Fields(string(pings)), " "),
		Tools:          append([]string{}, slices.Sorted(maps.Keys(tools))...),
		Landlock:       landlockABI(),
	}
}

// By their numbers, from 0 on; see capabilities(7).
var capabilityNames = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
	NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
	SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
	WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`)

// effectiveCapabilities reads the line CapEff of a /proc/N/status.
func effectiveCapabilities(status []byte) []string {
	names := []string{}
	_, text, _ := bytes.Cut(status, []byte("CapEff:"))
	text, _, _ = bytes.Cut(text, []byte("\n"))
	set, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 16, 64)
	if err != nil {
		return names
	}
	for number := range 64 {
		switch {
		case set&(1<<number) == 0:
		case number < len(capabilityNames):
			names = append(names, capabilityNames[number])
		default:
			names = append(names, fmt.Sprintf("CAP_%d", number)) // newer than this table
		}
	}
	return names
}
