package depthwise

import "unsafe"

func isAligned(p *byte) bool { return uintptr(unsafe.Pointer(p))%alignment == 0 }
