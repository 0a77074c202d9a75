//go:build !unix

package onnx

import "io/fs"

// links returns 1: the number of names of a file is not known here.
func links(fs.FileInfo) uint64 { return 1 }
