// Package checkpoint keeps the state of a training run on disk so that a kill,
// a full disk or a loss of power at any moment costs at most the steps since
// the last [Save] that returned.
//
// A directory holds generations named ckpt-<step>.goqat. Save writes a new one
// through package durable (temporary file, fsync, rename, fsync of the
// directory) and only then removes what is older than the generation before;
// so there is room for three on the way and two remain. [Load] takes the
// newest that is whole.
//
// # Format
//
// A checkpoint is a safetensors file, which other programs can open, with
// these metadata keys:
//
//	digest    SHA-256 of the whole file in lower-case hexadecimal, computed
//	          with these 64 digits set to '0'
//	format    "goqat-checkpoint/1"
//	meta      the JSON of [State.Meta]; absent when there is none
//	sequence  the number of the save in this directory, from 1
//	step      the training step
//
// As metadata is written in the order of its keys, the digest lies at a fixed
// place, bytes 35 to 98. The newest generation is the one with the highest
// sequence, not the highest step: a run that went back to an earlier step goes
// on from there.
//
// One process saves to a directory at a time; any number may load from it.
package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goqat/goqat/internal/durable"
	"github.com/goqat/goqat/safetensors"
	"github.com/goqat/goqat/tensor"
)

var (
	// ErrNotFound says that a directory is missing or has no checkpoint.
	ErrNotFound = errors.New("checkpoint: none found")
	// ErrCorrupt says that a file is not what was saved: its digest, its
	// structure or its name is wrong.
	ErrCorrupt = errors.New("checkpoint: corrupt")
	// ErrVersion says that a file is whole but of another format.
	ErrVersion = errors.New("checkpoint: unknown format")
)

// Named is a tensor and its name.
type Named = safetensors.Named

// State is what a training run needs to go on.
type State struct {
	// Step is the number of steps done, at least 0.
	Step int64
	// Tensors are the weights, optimizer moments, observer ranges, random
	// states and the like: F32, F64, I8, U8, I32 or I64, with different names.
	// Loaded tensors own their bytes and have the order in which they were
	// saved.
	Tensors []Named
	// Meta is any JSON value: epoch position, seeds, hash of the
	// configuration. It comes back byte for byte.
	Meta json.RawMessage
	// Warnings say which newer or other generations [Load] could not use and
	// why. Save ignores them.
	Warnings []string
}

// Tensor returns the tensor of the given name, nil when there is none.
func (s *State) Tensor(name string) *tensor.Tensor {
	for _, t := range s.Tensors {
		if t.Name == name {
			return t.Tensor
		}
	}
	return nil
}

func (s *State) check() error {
	if s.Step < 0 {
		return fmt.Errorf("checkpoint: step %d is negative", s.Step)
	}
	if s.Meta != nil && (!json.Valid(s.Meta) || !utf8.Valid(s.Meta)) {
		return errors.New("checkpoint: meta is not JSON in UTF-8")
	}
	return nil
}

// Generation is one checkpoint file of a directory.
type Generation struct {
	Name     string // file name
	Step     int64  // by the name
	Sequence int64  // number of the save; 0 when the file is not whole
	Err      error  // why the file cannot be loaded, nil when it can
}

// Option changes how a directory is used.
type Option func(*options)

type options struct{ fs durable.FS }

// WithFS uses another file system than the operating system's.
func WithFS(fs durable.FS) Option { return func(o *options) { o.fs = fs } }

func apply(opts []Option) options {
	o := options{fs: durable.OS{}}
	for _, f := range opts {
		f(&o)
	}
	return o
}

const (
	namePrefix = "ckpt-"
	nameSuffix = ".goqat"
)

func fileName(step int64) string { return namePrefix + strconv.FormatInt(step, 10) + nameSuffix }

// stepOf returns the step of a checkpoint's file name. Only the spelling that
// fileName gives is one.
func stepOf(name string) (int64, bool) {
	digits, ok := strings.CutPrefix(name, namePrefix)
	if !ok {
		return 0, false
	}
	if digits, ok = strings.CutSuffix(digits, nameSuffix); !ok {
		return 0, false
	}
	step, err := strconv.ParseInt(digits, 10, 64)
	return step, err == nil && step >= 0 && fileName(step) == name
}
