package main

import (
	"os/exec"
	"syscall"
)

// dieTogether makes the system stop c when this process dies.
func dieTogether(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
