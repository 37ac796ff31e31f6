package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ticksPerSecond is what Linux counts CPU time in for user space, whatever the kernel's own clock does.
const ticksPerSecond = 100

// usage is the CPU time that processes have used, in seconds, by name. It depends less than the time on the clock on what
// else the machine does.
type usage map[string]float64

// usage of all that takes part: the control plane, the operator if it runs, and the bench's own clients.
func (s *stage) usage() usage {
	u := usage{"clients": cpuSeconds(os.Getpid())}
	for _, p := range s.plane.Processes() {
		u[p.Name] = cpuSeconds(p.PID())
	}
	if s.operator != nil {
		u[s.operator.Name] = cpuSeconds(s.operator.PID())
	}
	if s.facade != nil {
		u[s.facade.Name] = cpuSeconds(s.facade.PID())
	}
	return u
}

// since is what was used from then to u.
func (u usage) since(then usage) usage {
	used := usage{}
	for name, seconds := range u {
		used[name] = seconds - then[name]
	}
	return used
}

func (u usage) total() float64 {
	total := 0.0
	for _, seconds := range u {
		total += seconds
	}
	return total
}

func (u usage) String() string {
	var parts []string
	for _, name := range []string{"kube-apiserver", "etcd", "kube-controller-manager", "operator", "facade", "clients"} {
		if seconds, ok := u[name]; ok {
			parts = append(parts, fmt.Sprintf("%s %.1f s", name, seconds))
		}
	}
	return strings.Join(parts, ", ")
}

// cpuSeconds is the CPU time of a process; 0 where the kernel does not tell.
func cpuSeconds(pid int) float64 {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	// The name of the program, in parentheses, may contain anything. After it, the 12th and 13th are user and system time.
	fields := bytes.Fields(content[bytes.LastIndexByte(content, ')')+1:])
	const user, system = 11, 12
	if len(fields) <= system {
		return 0
	}
	ticks := 0.0
	for _, field := range [][]byte{fields[user], fields[system]} {
		n, err := strconv.ParseFloat(string(field), 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return ticks / ticksPerSecond
}

// cost is a result beside another that was measured at the same time: what both sides used of CPU time.
func cost(of string) *result {
	return &result{Row: of, Unit: "s", Figure: "CPU time of all processes for that", Against: "the same"}
}

func (r *result) used(u usage) {
	r.Values = append(r.Values, u.total())
	r.note("figure: CPU time of %s", u)
}

func (r *result) usedByReference(u usage) {
	r.References = append(r.References, u.total())
	r.note("reference: CPU time of %s", u)
}
