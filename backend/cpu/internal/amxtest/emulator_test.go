//go:build linux && amd64 && cgo

package amxtest

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type tile = [16][64]byte

// config returns a configuration of m x n sums of k groups of four bytes.
func config(m, n, k int) *[64]byte {
	c := &[64]byte{0: 1}
	for t, of := range map[int][2]int{0: {m, 4 * n}, 4: {m, 4 * k}, 6: {k, 4 * n}} {
		binary.LittleEndian.PutUint16(c[16+2*t:], uint16(of[1]))
		c[48+t] = byte(of[0])
	}
	return c
}

func randomTile(r *rand.Rand) *tile {
	var t tile
	for i := range t {
		for j := range t[i] {
			t[i][j] = byte(r.IntN(256))
		}
	}
	return &t
}

func code(v byte, signed bool) int32 {
	if signed {
		return int32(int8(v))
	}
	return int32(v)
}

func TestDotBytes(t *testing.T) {
	emulated := Start(t)
	r := rand.New(rand.NewPCG(1, 2))
	before := Dots()
	for i := range 400 {
		m, n, k := 1+r.IntN(16), 1+r.IntN(16), 1+r.IntN(16)
		op := operation(i % 4)
		sa, sb := op == dotSS || op == dotSU, op == dotSS || op == dotUS
		a, b, c := randomTile(r), randomTile(r), randomTile(r)
		want := *c
		for x := range m {
			for y := range n {
				sum := int32(binary.LittleEndian.Uint32(c[x][4*y:]))
				for p := range 4 * k {
					sum += code(a[x][p], sa) * code(b[p/4][4*y+p%4], sb)
				}
				binary.LittleEndian.PutUint32(want[x][4*y:], uint32(sum))
			}
		}
		cfg := config(m, n, k)
		was := *cfg
		exercise(cfg, a, b, c, op, false)
		require.Equal(t, want, *c, "operation %d, %d x %d x %d", op, m, n, k)
		require.Equal(t, was, *cfg)
	}
	if emulated {
		require.Equal(t, before+400, Dots())
	}
}

func bf16(f float32) uint16 { return uint16(math.Float32bits(f) >> 16) }

func TestDotBF16(t *testing.T) {
	Start(t)
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		m, n, k := 1+r.IntN(16), 1+r.IntN(16), 1+r.IntN(16)
		var a, b, c tile
		// Small integers: every order of the sums gives the same.
		va, vb, want := map[[2]int]float32{}, map[[2]int]float32{}, c
		put := func(t *tile, row, i int, v float32) { binary.LittleEndian.PutUint16(t[row][2*i:], bf16(v)) }
		for x := range m {
			for p := range 2 * k {
				va[[2]int{x, p}] = float32(r.IntN(201) - 100)
				put(&a, x, p, va[[2]int{x, p}])
			}
		}
		for y := range n {
			for p := range 2 * k {
				vb[[2]int{p, y}] = float32(r.IntN(201) - 100)
				put(&b, p/2, 2*y+p%2, vb[[2]int{p, y}])
			}
		}
		for x := range m {
			for y := range n {
				sum := float32(r.IntN(1000))
				binary.LittleEndian.PutUint32(c[x][4*y:], math.Float32bits(sum))
				for p := range 2 * k {
					sum += va[[2]int{x, p}] * vb[[2]int{p, y}]
				}
				binary.LittleEndian.PutUint32(want[x][4*y:], math.Float32bits(sum))
			}
		}
		exercise(config(m, n, k), &a, &b, &c, dotBF16, false)
		require.Equal(t, want, c, "%d x %d x %d", m, n, k)
	}
}

// TestDotBF16Denormals: operands, results and sums too small for normal
// numbers are zero, whatever the mode of the thread.
func TestDotBF16Denormals(t *testing.T) {
	Start(t)
	for _, c := range []struct {
		name      string
		a, b, acc float32
		want      float32
	}{
		{"operand", 0x1p-130, 0x1p20, 0, 0},
		{"product", 0x1p-70, 0x1p-70, 0, 0},
		{"sum", 0, 0, 0x1p-130, 0},
		{"normal", 0x1p-60, 0x1p-60, 0, 0x1p-120},
		{"rounded once", 0x1.02p0, 0x1.02p0, 0, 0x1.0404p0},
	} {
		var a, b, acc tile
		binary.LittleEndian.PutUint16(a[0][:], bf16(c.a))
		binary.LittleEndian.PutUint16(b[0][:], bf16(c.b))
		binary.LittleEndian.PutUint32(acc[0][:], math.Float32bits(c.acc))
		exercise(config(1, 1, 1), &a, &b, &acc, dotBF16, false)
		assert.Equal(t, c.want, math.Float32frombits(binary.LittleEndian.Uint32(acc[0][:])), c.name)
	}
}

func TestTileZero(t *testing.T) {
	Start(t)
	r := rand.New(rand.NewPCG(5, 6))
	c := randomTile(r)
	want := *c
	for i := range 5 {
		clear(want[i][:12])
	}
	exercise(config(5, 3, 2), randomTile(r), randomTile(r), c, zero, false)
	require.Equal(t, want, *c)
}

// TestFaults: what the CPU answers with an exception is told.
func TestFaults(t *testing.T) {
	if !Start(t) {
		t.Skip("a real AMX would end the process")
	}
	change := func(f func(c *[64]byte)) *[64]byte {
		c := config(4, 4, 4)
		f(c)
		return c
	}
	for _, c := range []struct {
		want string
		cfg  *[64]byte
	}{
		{"no such palette", change(func(c *[64]byte) { c[0] = 2 })},
		{"not configured", change(func(c *[64]byte) { c[0] = 0 })},
		{"reserved", change(func(c *[64]byte) { c[2] = 1 })},
		{"reserved", change(func(c *[64]byte) { c[40] = 1 })},
		{"reserved", change(func(c *[64]byte) { c[63] = 1 })},
		{"bad rows or columns of tile (1)", change(func(c *[64]byte) { c[18] = 65; c[49] = 1 })},
		{"bad rows or columns of tile (7)", change(func(c *[64]byte) { c[30] = 4; c[55] = 17 })},
		{"bad rows or columns of tile (2)", change(func(c *[64]byte) { c[50] = 1 })},
		{"no valid tile (4)", change(func(c *[64]byte) { c[24], c[52] = 0, 0 })},
		{"start row", change(func(c *[64]byte) { c[1] = 4 })},
		{"do not fit", change(func(c *[64]byte) { c[48] = 5 })},
		{"do not fit", change(func(c *[64]byte) { c[54] = 5 })},
		{"do not fit", change(func(c *[64]byte) { c[16] = 20 })},
		{"whole groups", change(func(c *[64]byte) { c[16], c[28] = 15, 15 })},
	} {
		var a, b, acc tile
		exercise(c.cfg, &a, &b, &acc, dotSS, false)
		assert.Contains(t, Fault(), c.want)
		assert.Empty(t, Fault(), "a fault is told once")
		assert.Zero(t, InUse())
	}
}

func TestLeakIsSeen(t *testing.T) {
	if !Start(t) {
		t.Skip("a real AMX does not tell")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var a, b, c tile
	exercise(config(1, 1, 1), &a, &b, &c, dotSS, true)
	assert.Equal(t, 1, InUse())
	releaseTiles()
	assert.Zero(t, InUse())
}

// TestThreads: the tiles of threads are apart, while the runtime preempts and
// collects.
func TestThreads(t *testing.T) {
	Start(t)
	stop := make(chan struct{})
	var noise, wg sync.WaitGroup
	noise.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	})
	for i := range 8 {
		wg.Go(func() {
			for range 200 {
				var a, b, c tile
				a[0][0], b[0][0] = byte(i+1), 3
				exercise(config(1, 1, 1), &a, &b, &c, dotUU, false)
				if c[0][0] != byte(3*i+3) {
					t.Errorf("3 times %d is %d", i+1, c[0][0])
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	noise.Wait()
}

// TestOtherIllegalInstructions: Go's handler gets them.
func TestOtherIllegalInstructions(t *testing.T) {
	if os.Getenv("AMXTEST_ILLEGAL") != "" {
		Start(t)
		exercise(&[64]byte{}, &tile{}, &tile{}, &tile{}, illegal, true)
		return
	}
	Start(t)
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "-test.run=^TestOtherIllegalInstructions$")
	cmd.Env = append(os.Environ(), "AMXTEST_ILLEGAL=1")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "SIGILL: illegal instruction")
	require.Contains(t, string(out), "TestOtherIllegalInstructions")
}

// TestPanicsStillWork: the handlers of other signals are Go's.
func TestPanicsStillWork(t *testing.T) {
	Start(t)
	var p *int
	require.Panics(t, func() { *p = 1 })
}
