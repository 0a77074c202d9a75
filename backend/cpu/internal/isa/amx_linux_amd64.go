package isa

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"unsafe"
)

// Codes of arch_prctl and numbers of state components, from Linux's
// Documentation/arch/x86/xstate.rst.
const (
	archGetXcompPerm = 0x1022
	archReqXcompPerm = 0x1023
	xtileCfg         = 17
	xtileData        = 18
)

// tilePermission asks Linux, once, for the use of AMX's tiles by all threads
// of the process; without it the first tile instruction ends the process. It
// is asked when a kernel wants it, because with it the system demands larger
// signal stacks of C code.
//
// The kernel grants only what it has switched on in XCR0 and saves, so that
// its answer stands for XGETBV.
var tilePermission = sync.OnceValue(func() error {
	if _, _, e := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archReqXcompPerm, xtileData, 0); e != 0 {
		return fmt.Errorf("the system refuses the use of tiles: arch_prctl: %w", e)
	}
	var granted uint64
	if _, _, e := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archGetXcompPerm, uintptr(unsafe.Pointer(&granted)), 0); e != 0 {
		return fmt.Errorf("the system does not say whether tiles may be used: arch_prctl: %w", e)
	}
	if granted>>xtileCfg&granted>>xtileData&1 == 0 {
		return errors.New("the system does not save tiles")
	}
	return nil
})
