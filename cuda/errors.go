//go:build cuda

package cuda

// #include "runtime.h"
import "C"

import (
	"errors"
	"fmt"
	"reflect"
)

// Sentinel errors, to be tested with errors.Is.
var (
	// ErrNoDriver: the machine has no library of the CUDA driver.
	ErrNoDriver = errors.New("no CUDA driver")
	// ErrNoDevice: there is a driver but not this device.
	ErrNoDevice = errors.New("no CUDA device")
	// ErrDriverTooOld: the driver does not know the kernels' PTX.
	ErrDriverTooOld = errors.New("CUDA driver too old")
	// ErrDeviceTooOld: the device lacks what the kernels need.
	ErrDeviceTooOld = errors.New("CUDA device too old")
	// ErrOutOfMemory: the device, or the host's pinned memory, is used up.
	ErrOutOfMemory = errors.New("out of memory")
	// ErrLost: a fault after which this process cannot use the device any
	// more; a fresh one can.
	ErrLost = errors.New("device lost to this process")
)

// Codes of the driver that the runtime tells apart.
const (
	codeOutOfMemory     = 2
	codeNoDevice        = 100
	codeInvalidDevice   = 101
	codeNoBinary        = 209
	codeInvalidPTX      = 218
	codePTXVersion      = 222
	codeSystemMismatch  = 803
	codeCompat          = 804
	codeCaptureFirst    = 900
	codeCaptureLast     = 908
	codeNotSupported    = 801
	codeGraphUpdateFail = 910
)

// sticky lists the faults that stay until the process ends.
var sticky = map[int]bool{
	4:   true, // deinitialized
	46:  true, // device unavailable
	214: true, // uncorrectable ECC error
	220: true, // uncorrectable NVLink error
	226: true, // contained error: the process' contexts are gone
	700: true, // illegal address
	702: true, // launch timeout
	709: true, // context is destroyed
	710: true, // assert
	714: true, // hardware stack error
	715: true, // illegal instruction
	716: true, // misaligned address
	717: true, // invalid address space
	718: true, // invalid program counter
	719: true, // launch failed
	721: true, // tensor memory leak
	999: true, // unknown
}

// Error is a fault that a call of the driver gave.
type Error struct {
	Code int
	Name string // As "CUDA_ERROR_ILLEGAL_ADDRESS".
	Text string // The driver's explanation.
	Call string // The driver's function, or what was being done.
}

// Error returns one line.
func (e *Error) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("cuda: %s: %s (%d)", e.Call, e.Name, e.Code)
	}
	return fmt.Sprintf("cuda: %s: %s (%s, %d)", e.Call, e.Text, e.Name, e.Code)
}

// Sticky reports whether every later call of this process will fail too.
func (e *Error) Sticky() bool { return sticky[e.Code] }

// Uncapturable reports whether the fault is that a command cannot be part of
// a graph.
func (e *Error) Uncapturable() bool {
	return e.Code >= codeCaptureFirst && e.Code <= codeCaptureLast || e.Code == codeNotSupported
}

// Is maps codes to the sentinel errors.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrOutOfMemory:
		return e.Code == codeOutOfMemory
	case ErrNoDevice:
		return e.Code == codeNoDevice || e.Code == codeInvalidDevice
	case ErrDriverTooOld:
		return e.Code == codePTXVersion || e.Code == codeSystemMismatch || e.Code == codeCompat
	case ErrDeviceTooOld:
		return e.Code == codeNoBinary
	case ErrLost:
		return e.Sticky()
	}
	return false
}

// MemoryError says how much was asked for and how much there is.
type MemoryError struct {
	Need, Free, Total int64
	Err               error
}

// Error returns one line.
func (e *MemoryError) Error() string {
	return fmt.Sprintf("cuda: needs %s, the device has %s free of %s: %v", size(e.Need), size(e.Free), size(e.Total), e.Err)
}

// Unwrap returns the driver's error.
func (e *MemoryError) Unwrap() error { return e.Err }

func size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// Sticky reports whether err is a fault after which only a fresh process can
// use the device.
func Sticky(err error) bool { return errors.Is(err, ErrLost) }

// wrap turns an error of cu into an [Error].
func wrap(call string, err error) error {
	if err == nil {
		return nil
	}
	v := reflect.ValueOf(err)
	if v.Kind() != reflect.Int {
		return fmt.Errorf("cuda: %s: %w", call, err)
	}
	return fault(call, int(v.Int()))
}

// fault returns the error of a result code, nil for success.
func fault(call string, code int) error {
	if code == 0 {
		return nil
	}
	e := &Error{Code: code, Call: call, Name: fmt.Sprintf("CUDA_ERROR_%d", code)}
	if s := C.goqat_error_name(C.int(code)); s != nil {
		e.Name = C.GoString(s)
	}
	if s := C.goqat_error_text(C.int(code)); s != nil {
		e.Text = C.GoString(s)
	}
	return e
}
