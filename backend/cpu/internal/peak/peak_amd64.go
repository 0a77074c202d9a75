//go:build amd64 && !purego

package peak

import "github.com/goqat/goqat/backend/cpu/internal/isa"

//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel peak -out ../../backend/cpu/internal/peak/loops_amd64.s -stubs ../../backend/cpu/internal/peak/loops_amd64.go -pkg peak

// A round's sums, the lanes of a sum, the products of a lane, and two
// operations a product.
func init() {
	units[key{Float32, isa.AVX2}] = unit{fmaAVX2, 12 * 8 * 1 * 2}
	units[key{Float32, isa.AVX512}] = unit{fmaAVX512, 24 * 16 * 1 * 2}
	units[key{Int8, isa.AVX2}] = unit{wordsAVX2, 10 * 8 * 2 * 2}
	units[key{Int8, isa.AVX512}] = unit{wordsAVX512, 20 * 16 * 2 * 2}
	units[key{Int8, isa.AVXVNNI}] = unit{bytesAVXVNNI, 12 * 8 * 4 * 2}
	units[key{Int8, isa.AVX512VNNI}] = unit{bytesAVX512VNNI, 24 * 16 * 4 * 2}
	units[key{BF16, isa.AVX512BF16}] = unit{pairsAVX512BF16, 24 * 16 * 2 * 2}
	units[key{Int8, isa.AMXInt8}] = unit{bytesAMX, 4 * 16 * 16 * 64 * 2}
	units[key{BF16, isa.AMXBF16}] = unit{pairsAMX, 4 * 16 * 16 * 32 * 2}
}
