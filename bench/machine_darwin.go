package bench

import "syscall"

// cpuBrand asks the kernel.
func cpuBrand() string {
	s, err := syscall.Sysctl("machdep.cpu.brand_string")
	if err != nil {
		return ""
	}
	return s
}
