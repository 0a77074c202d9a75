//go:build cuda

package cuda

// #include <stdlib.h>
// #include "runtime.h"
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"gorgonia.org/cu"
)

// Module is loaded kernel code.
type Module struct {
	c *Context
	m cu.Module
}

// Function is a kernel of a module.
type Function struct {
	c      *Context
	f      cu.Function
	handle uintptr
	name   string
}

// Load loads PTX, which the driver compiles, or a cubin. It returns
// [ErrDriverTooOld] when the driver does not know the PTX, [ErrDeviceTooOld]
// when the code is for newer devices.
func (c *Context) Load(image string) (*Module, error) {
	m := &Module{c: c}
	err := c.Do(func() error {
		var err error
		m.m, err = cu.LoadData(image)
		if err = c.check("cuModuleLoadData", err); err != nil {
			return c.explain(err, image)
		}
		live.modules.Add(1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// explain adds to a load error what the compiler of the driver says and what
// would help.
func (c *Context) explain(err error, image string) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Code == codePTXVersion {
		v, _ := DriverVersion()
		return fmt.Errorf("%w: the driver is of CUDA %s, the kernels need CUDA %s: install a newer driver", err, VersionString(v), ptxNeeds(image))
	}
	if e.Code == codeNoBinary {
		return fmt.Errorf("%w: %s has compute capability %d.%d, the kernels are for %s and later", err, c.device.Name, c.device.Major, c.device.Minor, ptxTarget(image))
	}
	if e.Code != codeInvalidPTX {
		return err
	}
	const n = 4096
	log := (*C.char)(C.malloc(n))
	defer C.free(unsafe.Pointer(log))
	text := C.CString(image)
	defer C.free(unsafe.Pointer(text))
	C.goqat_jit_log(unsafe.Pointer(text), log, n)
	if s := strings.TrimSpace(C.GoString(log)); s != "" {
		return fmt.Errorf("%w: %s", err, s)
	}
	return err
}

// ptxNeeds returns the CUDA version whose drivers know the PTX: ISA 8.x came
// with CUDA 12, 9.x with 13.
func ptxNeeds(image string) string {
	var major, minor int
	if _, err := fmt.Sscanf(directive(image, ".version"), "%d.%d", &major, &minor); err != nil {
		return "of a later version"
	}
	return fmt.Sprintf("%d.%d", major+4, minor)
}

func ptxTarget(image string) string {
	if t := directive(image, ".target"); t != "" {
		return t
	}
	return "other devices"
}

// directive returns the argument of a directive of PTX.
func directive(image, name string) string {
	for l := range strings.Lines(image[:min(len(image), 4096)]) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(l), name+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// Function returns the kernel of this name.
func (m *Module) Function(name string) (Function, error) {
	f := Function{c: m.c, name: name}
	err := m.c.Do(func() error {
		var err error
		f.f, err = m.m.Function(name)
		if err = m.c.check("cuModuleGetFunction("+name+")", err); err != nil {
			return err
		}
		f.handle = *(*uintptr)(unsafe.Pointer(&f.f))
		return nil
	})
	return f, err
}

// Name returns the name of the kernel.
func (f Function) Name() string { return f.name }

// Attributes of a kernel.
type Attributes struct {
	MaxThreads, Registers int
	// Shared is static shared memory, Local spilled registers and arrays of a
	// thread, in bytes.
	Shared, Local int
	// PTX and Binary are the virtual and the real architecture, as 90.
	PTX, Binary int
}

// Attributes reads what the kernel needs.
func (f Function) Attributes() (Attributes, error) {
	var a Attributes
	err := f.c.Do(func() error {
		for _, x := range []struct {
			at cu.FunctionAttribute
			to *int
		}{{0, &a.MaxThreads}, {1, &a.Shared}, {3, &a.Local}, {4, &a.Registers}, {5, &a.PTX}, {6, &a.Binary}} {
			var err error
			if *x.to, err = f.f.Attribute(x.at); err != nil {
				return f.c.check("cuFuncGetAttribute("+f.name+")", err)
			}
		}
		return nil
	})
	return a, err
}

// SetShared allows the kernel n bytes of dynamic shared memory, more than the
// 48 KiB that every kernel may have.
func (f Function) SetShared(n int) error {
	return f.c.Do(func() error {
		return f.c.code("cuFuncSetAttribute("+f.name+")", int(C.goqat_set_shared(*(*C.CUfunction)(unsafe.Pointer(&f.handle)), C.int(n))))
	})
}

// Unload releases the module; its functions must not be used any more.
func (m *Module) Unload() error {
	return m.c.do(func() error {
		live.modules.Add(-1)
		return m.c.check("cuModuleUnload", m.m.Unload())
	})
}
