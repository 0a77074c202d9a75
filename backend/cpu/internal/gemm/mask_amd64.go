//go:build amd64 && !purego

package gemm

// columnMask has a window of n ones and then zeros for every n <= 16.
var columnMask = [32]int32{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}

// maskYMM returns the masks of the first cols of 16 columns.
func maskYMM(cols int) *int32 { return &columnMask[16-cols] }

// maskZMM is maskYMM as bits.
func maskZMM(cols int) uint64 { return 1<<cols - 1 }
