package main

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/bench"
)

// describe writes down what can be said before measuring.
func describe(r *report, o options) {
	m := bench.ThisMachine()
	r.Name = o.name
	if r.Name == "" {
		r.Name = nameOf(m.CPU, m.ISA)
	}
	r.Date, r.Command = time.Now().Format("2006-01-02"), "make bench-peers"
	r.Fastest = o.fastest
	r.Rounds, r.Window = o.rounds, fmt.Sprintf("at least %v and 3 runs each", o.window)
	r.Machine = []string{
		fmt.Sprintf("%s%s, %d cores, %s/%s, %s; %s", m.CPU, model(), m.Cores, m.OS, m.Arch, m.Go, amx(cpu.InstructionSets())),
		"kernels of goqat: " + kernels(cpu.KernelISAs()),
	}
	if load := loadAverage(); load != "" {
		r.Machine = append(r.Machine, "load of others at the start: "+load)
	}
}

// amx says whether the machine has AMX and whether it is used.
func amx(sets []cpu.InstructionSet) string {
	i := slices.IndexFunc(sets, func(s cpu.InstructionSet) bool { return s.Name == "amx-int8" })
	switch {
	case i < 0 || !sets[i].InCPU:
		return "no AMX"
	case !sets[i].Usable:
		return "AMX, which cannot be used: " + sets[i].Why
	case sets[i].Masked:
		return "AMX, masked"
	}
	return "AMX"
}

// kernels lists the families of kernels by instruction set.
func kernels(all []cpu.KernelISA) string {
	families := map[string][]string{}
	for _, k := range all {
		families[k.ISA] = append(families[k.ISA], k.Family)
	}
	var said []string
	for _, isa := range slices.Sorted(maps.Keys(families)) {
		said = append(said, isa+" ("+strings.Join(families[isa], ", ")+")")
	}
	return strings.Join(said, "; ")
}

// model returns family and model of an x86 processor, whose name may say
// little.
func model() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	field := func(name string) string {
		m := regexp.MustCompile(`(?m)^` + name + `\s*: (\d+)$`).FindSubmatch(b)
		if m == nil {
			return ""
		}
		return string(m[1])
	}
	if f, m := field("cpu family"), field("model"); f != "" && m != "" {
		return fmt.Sprintf(" (family %s, model %s)", f, m)
	}
	return ""
}

// loadAverage returns that of the last minute, "" where the system does not
// say.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	load, _, _ := strings.Cut(string(b), " ")
	return load
}
