package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/cpu"

	"github.com/goqat/goqat/backend"
	gocpu "github.com/goqat/goqat/backend/cpu"
)

func newDoctor(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "What of this machine is used, what is missing and how to get it",
		RunE:  func(*cobra.Command, []string) error { return a.doctor() },
	}
}

// diagnosis is the JSON of doctor.
type diagnosis struct {
	OS       string   `json:"os"`
	Arch     string   `json:"arch"`
	Go       string   `json:"go"`
	Cores    int      `json:"cores"`
	Features []string `json:"features"`
	ISA      string   `json:"isa"`
	// Kernels is the instruction set of each family of kernels, Sets those
	// of the architecture.
	Kernels  []gocpu.KernelISA      `json:"kernels"`
	Sets     []gocpu.InstructionSet `json:"instruction_sets"`
	MaxISA   string                 `json:"max_isa,omitempty"`
	ISAError string                 `json:"isa_error,omitempty"`
	Backends []backendState         `json:"backends"`
	Auto     string                 `json:"auto"`
}

type backendState struct {
	Name   string `json:"name"`
	Usable bool   `json:"usable"`
	Why    string `json:"why,omitempty"`
	// Facts are what the backend says of its device.
	Facts []string `json:"facts,omitempty"`
}

func (a *app) doctor() error {
	d := diagnosis{OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(), Cores: runtime.GOMAXPROCS(0), Features: cpuFeatures(), ISA: gocpu.ISA(),
		Kernels: gocpu.KernelISAs(), Sets: gocpu.InstructionSets(), MaxISA: gocpu.MaxISA()}
	if err := gocpu.ISAError(); err != nil {
		d.ISAError = err.Error()
	}
	for _, n := range backend.Names() {
		s := backendState{Name: n}
		b, err := backend.Open(n)
		if err != nil {
			s.Why = err.Error()
		} else {
			s.Usable = true
			if d, ok := b.(backend.Describer); ok {
				s.Facts = d.Describe()
			}
			_ = b.Close()
		}
		d.Backends = append(d.Backends, s)
	}
	if b, err := backend.Open("auto"); err == nil {
		d.Auto = b.Name()
		_ = b.Close()
	}
	return a.print(d, func(w io.Writer) {
		fmt.Fprintf(w, "%s/%s, %s, %d cores\n", d.OS, d.Arch, d.Go, d.Cores)
		fmt.Fprintf(w, "CPU features: %s\n", strings.Join(d.Features, " "))
		d.printISA(w)
		for _, s := range d.Backends {
			if s.Usable {
				fmt.Fprintf(w, "backend %s: usable\n", s.Name)
				for _, f := range s.Facts {
					fmt.Fprintf(w, "  %s\n", f)
				}
			} else {
				fmt.Fprintf(w, "backend %s: %s\n", s.Name, s.Why)
			}
		}
		fmt.Fprintf(w, "auto takes: %s\n", d.Auto)
	})
}

// printISA writes which instruction sets are used, and which are not and why.
func (d *diagnosis) printISA(w io.Writer) {
	if d.ISAError != "" {
		fmt.Fprintf(w, "ignored:      %s\n", d.ISAError)
	}
	limit := "GOQAT_ISA lowers them"
	if d.MaxISA != "" {
		limit = "at most " + d.MaxISA + ", by GOQAT_ISA"
	}
	fmt.Fprintf(w, "CPU kernels (%s):\n", limit)
	for _, k := range d.Kernels {
		fmt.Fprintf(w, "  %-21s %s\n", k.Family, k.ISA)
	}
	for _, s := range d.Sets {
		switch {
		case s.Usable && s.Masked:
			fmt.Fprintf(w, "  %-21s there, but masked\n", s.Name)
		case s.InCPU && !s.Usable:
			fmt.Fprintf(w, "  %-21s %s\n", s.Name, s.Why)
		case !s.Usable:
			fmt.Fprintf(w, "  %-21s not in this CPU\n", s.Name)
		}
	}
}

// cpuFeatures lists the vector and matrix units that matter to kernels.
func cpuFeatures() []string {
	var f []string
	for _, x := range []struct {
		name string
		has  bool
	}{
		{"sse4.1", cpu.X86.HasSSE41}, {"avx2", cpu.X86.HasAVX2}, {"fma", cpu.X86.HasFMA}, {"avxvnni", cpu.X86.HasAVXVNNI},
		{"avx512f", cpu.X86.HasAVX512F}, {"avx512bw", cpu.X86.HasAVX512BW}, {"avx512vnni", cpu.X86.HasAVX512VNNI}, {"avx512bf16", cpu.X86.HasAVX512BF16},
		{"amx-tile", cpu.X86.HasAMXTile}, {"amx-int8", cpu.X86.HasAMXInt8}, {"amx-bf16", cpu.X86.HasAMXBF16},
		{"neon", cpu.ARM64.HasASIMD}, {"sdot", cpu.ARM64.HasASIMDDP}, {"i8mm", cpu.ARM64.HasI8MM},
	} {
		if x.has {
			f = append(f, x.name)
		}
	}
	if f == nil {
		f = []string{"none known"}
	}
	return f
}
