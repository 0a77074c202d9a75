package bench

import (
	"runtime"

	"github.com/goqat/goqat/backend/cpu"
)

// ThisMachine describes the machine that the program runs on.
func ThisMachine() Machine {
	brand := cpuBrand()
	if brand == "" {
		brand = "unknown " + runtime.GOARCH + " processor"
	}
	return Machine{CPU: brand, Cores: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(), ISA: cpu.ISA()}
}
