//go:build cgo

package amxtest

// #cgo CFLAGS: -O3 -Wall -fno-strict-aliasing
// #cgo LDFLAGS: -lm
// #include "emulator.h"
import "C"

import (
	"fmt"
	"sync"
	"syscall"
)

var (
	once    sync.Once
	failed  error
	running bool
)

func installed() bool { return running }

func install() error {
	once.Do(func() {
		if e := C.amx_install(); e != 0 {
			failed = fmt.Errorf("sigaction: %w", syscall.Errno(e))
			return
		}
		running = true
	})
	return failed
}

// Fault returns, once, the first violation since the last call: what and
// where; "" is none.
func Fault() string {
	var b [256]C.char
	if C.amx_fault(&b[0], C.int(len(b))) == 0 {
		return ""
	}
	return C.GoString(&b[0])
}

// InUse returns the number of threads whose tiles are configured.
func InUse() int { return int(C.amx_in_use()) }

// Dots returns the number of tile products that were emulated.
func Dots() uint64 { return uint64(C.amx_dots()) }

// operation is what exercise does to tiles.
type operation int

const (
	dotSS operation = iota
	dotSU
	dotUS
	dotUU
	dotBF16
	zero
	illegal // UD2
)

// exercise configures tiles, loads tile 0 from c, 4 from a and 6 from b,
// applies op to 0, 4 and 6, stores tile 0 to c and the configuration to
// config, and, unless keep, releases the tiles. Rows are 64 bytes apart.
func exercise(config *[64]byte, a, b, c *[16][64]byte, op operation, keep bool) {
	C.amx_exercise((*C.uint8_t)(&config[0]), (*C.uint8_t)(&a[0][0]), (*C.uint8_t)(&b[0][0]), (*C.uint8_t)(&c[0][0]), C.int(op), C.bool(keep))
}

// releaseTiles executes TILERELEASE.
func releaseTiles() { C.amx_release() }
