//go:build !linux && !darwin

package bench

import "os"

// cpuBrand returns what Windows tells every process; elsewhere nothing does.
func cpuBrand() string { return os.Getenv("PROCESSOR_IDENTIFIER") }
