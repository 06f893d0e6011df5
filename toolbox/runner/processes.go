package main

import (
	"bytes"
	"os"
	"strconv"
)

type process struct {
	pid, parent, group, session int
	state                       byte
}

// processes lists all that can be seen. (The kernel may lack /proc/*/task/*/children.)
func processes() (list []process) {
	folder, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer folder.Close()
	names, _ := folder.Readdirnames(-1)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // it has ended meanwhile
		}
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // after the name, which may hold anything
		if len(fields) < 4 {
			continue
		}
		p := process{pid: pid, state: fields[0][0]}
		for i, number := range []*int{&p.parent, &p.group, &p.session} {
			*number, _ = strconv.Atoi(string(fields[i+1]))
		}
		list = append(list, p)
	}
	return list
}
