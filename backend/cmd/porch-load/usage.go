package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// usage is what a process has used so far.
type usage struct {
	cpu      time.Duration // user and system, since its start
	memoryMB float64       // resident set
}

// clockTick is USER_HZ, which Linux fixes at 100 in /proc (man 5 proc, sysconf(_SC_CLK_TCK)).
const clockTick = time.Second / 100

// usageOf reads /proc/PID/stat (man 5 proc). For pid 0 it returns zero.
func usageOf(pid int) (usage, error) {
	if pid == 0 {
		return usage{}, nil
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, err
	}
	// The second field is the program's name in parentheses, and may contain spaces. The text after it starts with
	// field 3.
	fields := bytes.Fields(raw[bytes.LastIndexByte(raw, ')')+1:])
	if len(fields) < 22 {
		return usage{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	number := func(field int) (n int64) {
		if err == nil {
			n, err = strconv.ParseInt(string(fields[field-3]), 10, 64)
		}
		return n
	}
	u := usage{
		cpu:      time.Duration(number(14)+number(15)) * clockTick,
		memoryMB: float64(number(24)) * float64(os.Getpagesize()) / (1 << 20),
	}
	return u, err
}
