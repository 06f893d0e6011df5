package main

import (
	"syscall"
	"time"
	"unsafe"
)

const (
	roomTime = 50 * time.Millisecond // a tool that fills its pipe faster than we empty it is asked to end all the same
	maxAhead = 1 << 20
)

// makeRoom empties the tool's pipe into our memory, past the window, until a write of the tool need not wait. TERM interrupts a write that
// waits for a full pipe, and many tools (tcpdump) lose what they were writing then: a tool that has room ends well.
func (s *stream) makeRoom() {
	if s.file == nil {
		return
	}
	raw, err := s.file.SyscallConn()
	if err != nil {
		return // closed: nobody writes any more
	}
	_ = raw.Control(func(descriptor uintptr) {
		for end := time.Now().Add(roomTime); isCrowded(descriptor) && time.Now().Before(end); {
			if !s.reading.TryLock() {
				time.Sleep(breath / 10) // it is being read anyway
				continue
			}
			went := s.readAhead(int(descriptor))
			s.reading.Unlock()
			if !went {
				return
			}
		}
	})
}

// readAhead takes what is in the pipe; false when there is nothing or no memory for more.
func (s *stream) readAhead(descriptor int) bool {
	block := make([]byte, blockSize)
	if len(s.ahead)+len(block) > maxAhead {
		return false
	}
	n, err := syscall.Read(descriptor, block) // never waits: ours do not block
	if err == syscall.EINTR {
		return true
	}
	if n <= 0 {
		return false
	}
	s.ahead = append(s.ahead, block[:n]...)
	return true
}

// isCrowded: more than a quarter of the pipe's bytes. It is full by its pages, and each of them may be filled by half only.
func isCrowded(pipe uintptr) bool {
	const getPipeSize = 1032 // F_GETPIPE_SZ
	size, _, errno := syscall.Syscall(syscall.SYS_FCNTL, pipe, getPipeSize, 0)
	if errno != 0 {
		return false // a terminal
	}
	var held int32
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, pipe, syscall.TIOCINQ, uintptr(unsafe.Pointer(&held))); errno != 0 {
		return false
	}
	return uintptr(held) > size/4
}
