//go:build !linux || !amd64 || !cgo

package amxtest

import "errors"

func installed() bool { return false }

func install() error { return errors.New("the emulator needs linux/amd64 and cgo") }

// Fault returns the first violation since the last call: none.
func Fault() string { return "" }

// InUse returns the number of threads whose tiles are configured: none.
func InUse() int { return 0 }

// Dots returns the number of tile products that were emulated: none.
func Dots() uint64 { return 0 }
