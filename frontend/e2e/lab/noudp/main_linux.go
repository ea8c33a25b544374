// Command noudp runs a program that may open no UDP socket, as security software
// or Wine have it: noudp PROGRAM [ARGUMENT…]. Linux on amd64 and arm64.
package main

import (
	"log"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets in seccomp_data (linux/seccomp.h), little-endian.
const (
	number   = 0
	domain   = 16
	kind     = 24
	kindMask = 0xf // without SOCK_NONBLOCK and SOCK_CLOEXEC
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: noudp PROGRAM [ARGUMENT…]")
	}
	program, err := exec.LookPath(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	when := func(value uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: yes, Jf: no, K: value}
	}
	answer := func(value uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: value}
	}
	filter := []unix.SockFilter{
		load(number),
		when(unix.SYS_SOCKET, 0, 6),
		load(domain),
		when(unix.AF_INET, 1, 0),
		when(unix.AF_INET6, 0, 3),
		load(kind),
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: kindMask},
		when(unix.SOCK_DGRAM, 1, 0),
		answer(unix.SECCOMP_RET_ALLOW),
		answer(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)),
	}
	runtime.LockOSThread() // the filter is the thread's, and exec keeps it
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		log.Fatal(err)
	}
	list := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	err = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&list)), 0, 0)
	runtime.KeepAlive(filter)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(syscall.Exec(program, os.Args[1:], os.Environ()))
}
