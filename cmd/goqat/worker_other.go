//go:build !linux

package main

import "os/exec"

// dieTogether does nothing: only Linux has a signal for the death of a parent.
func dieTogether(*exec.Cmd) {}
