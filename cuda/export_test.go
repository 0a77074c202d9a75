//go:build cuda

package cuda

import "unsafe"

// Inspect returns the first 8 bytes of each argument, and the addresses.
func (a *Args) Inspect() (values []uint64, addresses []uintptr) {
	for i := range 7 {
		p := *(*unsafe.Pointer)(unsafe.Add(a.block, 8*i))
		addresses = append(addresses, uintptr(p))
		values = append(values, *(*uint64)(p))
	}
	return values, addresses
}
