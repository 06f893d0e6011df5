package main

import "sync"

// window counts the bytes that may be sent before the service gives credit for more.
type window struct {
	mu     sync.Mutex
	more   sync.Cond
	left   int64
	closed bool
}

func newWindow(size int64) *window {
	w := &window{left: size}
	w.more.L = &w.mu
	return w
}

func (w *window) add(n int64) {
	w.mu.Lock()
	w.left = min(w.left+n, maxAmount)
	w.mu.Unlock()
	w.more.Broadcast()
}

// take waits for credit and uses up to n of it; 0 when the window was closed while there was none.
func (w *window) take(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.left <= 0 && !w.closed {
		w.more.Wait()
	}
	n = int(min(int64(n), w.left))
	w.left -= int64(n)
	return n
}

func (w *window) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.more.Broadcast()
}
