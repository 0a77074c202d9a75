package tensorcore

// MMA says which elements of the operands of an mma instruction on int8 a lane
// of the warp holds. Elements of A and B are numbered in the order of the
// registers, lowest byte first: element i sits in byte i%4 of register i/4.
// Elements of the int32 result are a register each.
//
// Sources: PTX ISA, "Matrix Fragments for mma"; equal to CuTe's
// MMA_Traits<SM80_16x8x32_S32S8S8S32_TN> and its kin.
type MMA struct {
	Name string
	// M, N and K are the sizes of A [M, K], B [K, N] and C [M, N].
	M, N, K int
	// A, B and C return row and column of element i of a lane.
	A, B, C func(lane, i int) (row, col int)
}

// The int8 instructions of mma.sync.aligned.row.col: m8n8k16 from sm_75 on,
// the others from sm_80 on.
var (
	M16N8K32 = MMA{"m16n8k32", 16, 8, 32,
		func(lane, i int) (int, int) { return lane/4 + 8*(i/4%2), lane%4*4 + i%4 + 16*(i/8) },
		func(lane, i int) (int, int) { return lane%4*4 + i%4 + 16*(i/4), lane / 4 },
		resultOf16x8,
	}
	M16N8K16 = MMA{"m16n8k16", 16, 8, 16,
		func(lane, i int) (int, int) { return lane/4 + 8*(i/4), lane%4*4 + i%4 },
		func(lane, i int) (int, int) { return lane%4*4 + i, lane / 4 },
		resultOf16x8,
	}
	M8N8K16 = MMA{"m8n8k16", 8, 8, 16,
		func(lane, i int) (int, int) { return lane / 4, lane%4*4 + i },
		func(lane, i int) (int, int) { return lane%4*4 + i, lane / 4 },
		func(lane, i int) (int, int) { return lane / 4, lane%4*2 + i },
	}
)

func resultOf16x8(lane, i int) (int, int) { return lane/4 + 8*(i/2), lane%4*2 + i%2 }

// Lanes is the number of lanes of a warp.
const Lanes = 32

// PackA gathers A [M, K], row-major, into the order of the registers of the
// lanes: all of lane 0, then lane 1, and so on. dst has M*K elements.
func (m MMA) PackA(dst, a []int8) { gather(dst, a, m.K, m.A) }

// PackB gathers B [K, N], row-major, likewise.
func (m MMA) PackB(dst, b []int8) { gather(dst, b, m.N, m.B) }

// UnpackC scatters the results of the lanes to C [M, N], row-major.
func (m MMA) UnpackC(c, src []int32) {
	each := len(src) / Lanes
	for k, v := range src {
		row, col := m.C(k/each, k%each)
		c[row*m.N+col] = v
	}
}

func gather(dst, src []int8, cols int, at func(lane, i int) (int, int)) {
	each := len(dst) / Lanes
	for k := range dst {
		row, col := at(k/each, k%each)
		dst[k] = src[row*cols+col]
	}
}

// WGMMAResult returns row and column of element i of the int32 result [64, N]
// of Hopper's wgmma.m64nNk32 in a thread of the warp group (0 to 127); WGMMAA
// those of A [64, 32] when it comes from registers. Sources: PTX ISA, "Register
// Fragments for wgmma"; CuTe's CLayout_64xN and ALayout_64x32.
func WGMMAResult(thread, i int) (row, col int) {
	lane := thread % Lanes
	return 16*(thread/Lanes) + lane/4 + 8*(i/2%2), lane%4*2 + i%2 + 8*(i/4)
}

// WGMMAA is described at [WGMMAResult].
func WGMMAA(thread, i int) (row, col int) {
	lane := thread % Lanes
	return 16*(thread/Lanes) + lane/4 + 8*(i/4%2), lane%4*4 + i%4 + 16*(i/8)
}

// Swizzle returns where byte k of a row lies in a K-major tile in shared
// memory that TMA swizzles over 128, 64 or 32 bytes; other widths mean none.
// A file never holds swizzled data: the copy into shared memory swizzles.
func Swizzle(row, k, width int) int {
	o := row*width + k
	switch width {
	case 128:
		return o ^ o>>7&7<<4
	case 64:
		return o ^ o>>7&3<<4
	case 32:
		return o ^ o>>7&1<<4
	}
	return o
}
