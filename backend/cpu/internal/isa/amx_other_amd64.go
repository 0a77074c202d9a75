//go:build !linux

package isa

import "errors"

func tilePermission() error { return errors.New("tiles are used on Linux only") }
