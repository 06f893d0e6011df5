package main

import (
	"os"
	"syscall"
	"time"
)

const (
	searchPath    = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	defaultWindow = 1 << 20
	defaultStderr = 64 << 10
	pipeSize      = 256 << 10 // fewer waits for each other of tool and runner than with the usual 64 KiB
)

// plumbing is what connects a tool with us: its ends as descriptors 0, 1 and 2, and ours.
type plumbing struct {
	tool            [3]*os.File
	in, out, errors *os.File // in and errors may be nil
}

// launch makes the tool's process. Its streams are set then; nobody reads them yet.
func (r *run) launch(tool tool, stdin []byte) (<-chan exit, error) {
	req := r.request
	environment := []string{"PATH=" + searchPath, "LANG=C.UTF-8", "HOME=/"}
	if tool.scratch {
		environment = append(environment, "TMPDIR="+scratchFolder)
	}
	// Pdeathsig belongs to the starting thread; Go ends none whose goroutine was not locked to it
	attributes := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	var pipes plumbing
	var err error
	if req.Terminal == nil {
		err = pipes.connect(len(stdin) > 0)
	} else {
		err = pipes.connectTerminal(*req.Terminal)
		attributes.Setctty = true
		environment = append(environment, "TERM=xterm-256color")
	}
	defer closeAll(pipes.tool[:])
	if err != nil {
		closeAll([]*os.File{pipes.in, pipes.out, pipes.errors})
		return nil, err
	}
	r.started = time.Now()
	pid, exited, err := r.server.family.start("/proc/self/exe", confined(tool, req.MemoryBytes, req.Argv), &syscall.ProcAttr{
		Env: environment, Dir: "/", Sys: attributes,
		Files: []uintptr{pipes.tool[0].Fd(), pipes.tool[1].Fd(), pipes.tool[2].Fd()},
	})
	if err != nil {
		closeAll([]*os.File{pipes.in, pipes.out, pipes.errors})
		return nil, err
	}
	r.pid = pid
	window := int64(defaultWindow)
	if req.Window != nil {
		window = *req.Window
	}
	stderrLimit := req.Limits.Stderr
	if stderrLimit == 0 {
		stderrLimit = defaultStderr
	}
	r.stdout = newStream(r, "stdout", pipes.out, req.Limits.Stdout, newWindow(window))
	r.stderr = newStream(r, "stderr", pipes.errors, stderrLimit, nil)
	switch {
	case req.Terminal != nil:
		r.terminal, r.keys = pipes.in, make(chan []byte, 256)
		go r.passKeys()
	case pipes.in != nil:
		go feed(pipes.in, stdin)
	}
	return exited, nil
}

func (p *plumbing) connect(withStdin bool) (err error) {
	if withStdin {
		p.tool[0], p.in, err = os.Pipe()
	} else {
		p.tool[0], err = os.Open(os.DevNull)
	}
	if err != nil {
		return err
	}
	if p.out, p.tool[1], err = os.Pipe(); err != nil {
		return err
	}
	enlarge(p.out, pipeSize)
	p.errors, p.tool[2], err = os.Pipe()
	return err
}

func (p *plumbing) connectTerminal(size terminalSize) error {
	master, slave, err := openTerminal(size)
	if err != nil {
		return err
	}
	p.in, p.out = master, master
	p.tool = [3]*os.File{slave, slave, slave}
	return nil
}

// feed gives the tool its stdin. A tool that reads only a part of it is no error: EPIPE.
func feed(in *os.File, stdin []byte) {
	_, _ = in.Write(stdin)
	_ = in.Close()
}

func closeAll(files []*os.File) {
	for _, file := range files {
		if file != nil {
			_ = file.Close() // a terminal's end is there more than once
		}
	}
}

// enlarge gives a pipe more room; in vain where the user has too many large pipes already.
func enlarge(pipe *os.File, size uintptr) {
	const setPipeSize = 1031 // F_SETPIPE_SZ
	if raw, err := pipe.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _, _ = syscall.Syscall(syscall.SYS_FCNTL, fd, setPipeSize, size) })
	}
}
