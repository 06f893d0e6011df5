package main

import (
	"fmt"
	"path/filepath"
	"syscall"
	"unsafe"
)

// A list of tools is no cage: tcpdump -z starts programs, curl and openssl read and write files. So before it becomes the tool, the
// process gives up, by Landlock, all that no tool needs: executing anything else, reading beyond libraries and resolver files, writing
// beyond /dev. A Landlock domain also keeps runs from each other's descriptors and memory (/proc/N/fd/1), which equal uids would not.

const (
	landlockCreate, landlockAdd, landlockRestrict = 444, 445, 446 // the same number on every architecture
	accessExecute, accessWrite, accessRead        = 1 << 0, 1 << 1, 1 << 2
	accessReadDir                                 = 1 << 3
	accessRemoveFile, accessMakeFile              = 1 << 5, 1 << 8
	accessAll                                     = 1<<13 - 1 // ABI 1: whatever is not allowed below is refused
	accessTruncate                                = 1 << 14   // ABI 3
	fileAccess                                    = accessExecute | accessWrite | accessRead | accessTruncate
	scopeAll                                      = 1<<0 | 1<<1 // ABI 6: abstract sockets, signals
)

var readable = []string{
	"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share", "/etc/ld.so.cache",
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services", "/etc/protocols",
	"/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted", "/etc/iproute2",
	"/proc/self", "/proc/sys", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/uptime", "/proc/filesystems",
	"/sys/class/net", "/sys/devices/virtual/net", "/sys/devices/system/cpu", "/dev/urandom",
}

// landlockABI is 0 where the kernel has no Landlock.
func landlockABI() int {
	abi, _, errno := syscall.RawSyscall(landlockCreate, 0, 0, 1)
	if errno != 0 {
		return 0
	}
	return int(abi)
}

// restrict confines the calling thread and what it will execute.
func restrict(executables []string, scratch bool) error {
	abi := landlockABI()
	if abi == 0 {
		return nil // hello says so
	}
	ruleset := struct{ fs, net, scoped uint64 }{fs: accessAll}
	size := uintptr(8)
	if abi >= 3 {
		ruleset.fs |= accessTruncate
	}
	if abi >= 6 {
		ruleset.scoped, size = scopeAll, unsafe.Sizeof(ruleset)
	}
	fd, _, errno := syscall.RawSyscall(landlockCreate, uintptr(unsafe.Pointer(&ruleset)), size, 0)
	if errno != 0 {
		return fmt.Errorf("landlock: %w", errno)
	}
	var err error
	allow := func(access uint64, paths ...string) {
		for _, path := range paths {
			if err == nil {
				err = allowBeneath(fd, path, access&ruleset.fs)
			}
		}
	}
	allow(accessExecute|accessRead, append(executables, loaders()...)...)
	allow(accessRead|accessReadDir, readable...)
	allow(accessReadDir, "/proc") // its list; what lies in the folders of others stays closed
	allow(accessRead|accessWrite, "/dev/null")
	if scratch {
		allow(accessRead|accessWrite|accessReadDir|accessTruncate|accessRemoveFile|accessMakeFile, scratchFolder)
	}
	if err != nil {
		return err
	}
	const setNoNewPrivs = 38 // PR_SET_NO_NEW_PRIVS
	if _, _, errno = syscall.RawSyscall6(syscall.SYS_PRCTL, setNoNewPrivs, 1, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	if _, _, errno = syscall.RawSyscall(landlockRestrict, fd, 0, 0); errno != 0 {
		return fmt.Errorf("landlock: %w", errno)
	}
	return nil
}

// loaders are the dynamic loaders, which the kernel executes for a tool.
func loaders() (found []string) {
	for _, pattern := range []string{"/lib*/ld-linux*.so*", "/lib/ld-musl-*"} {
		paths, _ := filepath.Glob(pattern)
		found = append(found, paths...)
	}
	return found
}

// allowBeneath adds a rule; a path that does not exist needs none.
func allowBeneath(ruleset uintptr, path string, access uint64) error {
	const openPath = 0x200000 // O_PATH
	fd, err := syscall.Open(path, openPath|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer syscall.Close(fd)
	var stat syscall.Stat_t
	if err = syscall.Fstat(fd, &stat); err != nil {
		return err
	}
	if stat.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		access &= fileAccess
	}
	rule := struct {
		access uint64
		parent int32
	}{access, int32(fd)}
	if _, _, errno := syscall.RawSyscall6(landlockAdd, ruleset, 1, uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("landlock: %s: %w", path, errno)
	}
	return nil
}
