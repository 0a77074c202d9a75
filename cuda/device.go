//go:build cuda

package cuda

// #include "runtime.h"
import "C"

import (
	"fmt"
	"strings"

	"gorgonia.org/cu"
)

// Device is what one GPU is.
type Device struct {
	Index int
	Name  string
	// Major and Minor are the compute capability.
	Major, Minor int
	Memory       int64
	SMs          int // Multiprocessors.
	// SharedMemory is the most that one block may have, in bytes.
	SharedMemory int
	L2           int
	// Cooperative reports whether grids may synchronize.
	Cooperative bool
}

// Arch returns the compute capability as one number, 90 for 9.0.
func (d Device) Arch() int { return 10*d.Major + d.Minor }

// String returns one line.
func (d Device) String() string {
	return fmt.Sprintf("%s, compute capability %d.%d, %s, %d multiprocessors", d.Name, d.Major, d.Minor, size(d.Memory), d.SMs)
}

// opened returns why the driver cannot be used, nil when it can.
func opened() error {
	var code C.int
	var text *C.char
	state := C.goqat_state(&code, &text)
	why := strings.TrimPrefix(C.GoString(text), ErrNoDriver.Error()+": ")
	const install = "install NVIDIA's driver, or name its library in GOQAT_CUDA_DRIVER"
	switch state {
	case 1, 2:
		return fmt.Errorf("cuda: %w: %s: %s", ErrNoDriver, why, install)
	case 3:
		return fmt.Errorf("cuda: %w: %s", fault("cuInit", int(code)), why)
	case 4:
		return fmt.Errorf("cuda: %w: %s: is one visible to this process (CUDA_VISIBLE_DEVICES, a container without --gpus)?", ErrNoDevice, why)
	}
	if cu.Version() <= 0 {
		return fmt.Errorf("cuda: %w: %s", ErrNoDriver, install)
	}
	return nil
}

// DriverVersion returns the CUDA version that the driver implements, as
// 12040 for 12.4; [ErrNoDriver] without one.
func DriverVersion() (int, error) {
	v := cu.Version()
	if v > 0 {
		return v, nil
	}
	if err := opened(); err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("cuda: %w", ErrNoDriver)
}

// VersionString turns 12040 into "12.4".
func VersionString(v int) string { return fmt.Sprintf("%d.%d", v/1000, v%1000/10) }

// Devices lists the GPUs. Without a driver it returns [ErrNoDriver], without
// a device [ErrNoDevice].
func Devices() ([]Device, error) {
	if err := opened(); err != nil {
		return nil, err
	}
	n, err := cu.NumDevices()
	if err != nil {
		return nil, wrap("cuDeviceGetCount", err)
	}
	if n == 0 {
		return nil, fmt.Errorf("cuda: %w: the driver of CUDA %s has none: is one visible to this process (CUDA_VISIBLE_DEVICES, a container without --gpus)?", ErrNoDevice, VersionString(cu.Version()))
	}
	ds := make([]Device, n)
	for i := range ds {
		if ds[i], err = describe(i); err != nil {
			return nil, err
		}
	}
	return ds, nil
}

// Attributes that cu does not name.
const (
	cooperative cu.DeviceAttribute = 95
	sharedOptin cu.DeviceAttribute = 97
)

// describe reads what device i is.
func describe(i int) (Device, error) {
	d, err := cu.GetDevice(i)
	if err != nil {
		return Device{}, wrap("cuDeviceGet", err)
	}
	r := Device{Index: i}
	if r.Name, err = d.Name(); err != nil {
		return r, wrap("cuDeviceGetName", err)
	}
	if r.Memory, err = d.TotalMem(); err != nil {
		return r, wrap("cuDeviceTotalMem", err)
	}
	coop := 0
	for _, a := range []struct {
		at cu.DeviceAttribute
		to *int
	}{
		{cu.ComputeCapabilityMajor, &r.Major}, {cu.ComputeCapabilityMinor, &r.Minor}, {cu.MultiprocessorCount, &r.SMs},
		{sharedOptin, &r.SharedMemory}, {cu.L2CacheSize, &r.L2}, {cooperative, &coop},
	} {
		if *a.to, err = d.Attribute(a.at); err != nil {
			return r, wrap("cuDeviceGetAttribute", err)
		}
	}
	r.Cooperative = coop != 0
	return r, nil
}
