// Package onnx reads and writes ONNX models as graphs of goqat: float models,
// and quantized ones in the QDQ form and in the QOperator form.
//
// # Layout
//
// goqat's tensors are channels last, ONNX's channels first. The reader makes
// activations channels last and stores convolution weights [out, kh, kw, in];
// the writer does the inverse. Both keep each value in the layout in which it
// was made, turn constants instead of activations, and put in a transposition
// only where an operation wants the other layout. A declared input [n, c, h, w]
// whose users are all convolutions, pools and what follows elementwise becomes
// the graph's input [n, h, w, c], and so do outputs made by such operations;
// [Info] says which. [ReadOptions].KeepInputLayout keeps the declared layout.
//
// A weight keeps its name: the initializer's name is the parameter's.
//
// # Adding an operation
//
// Each file of this package holds one family of operations with the reader
// (registerReader) and the writer (registerWriter) of each, called from init.
//
// # Hostile files
//
// Read takes files from strangers: every number is checked against the bytes
// that are there before anything is allocated, subgraphs are not followed,
// external data stays in its folder, and memory is bounded by a small multiple
// of the file's size. Every fault is an error; those of a node are a
// [*NodeError].
package onnx

import (
	"errors"
	"fmt"
	"strings"

	_ "github.com/goqat/goqat/op" // Registers the operations.
	"github.com/goqat/goqat/tensor"
)

// Errors to be tested with errors.Is.
var (
	// ErrFormat: the file is not a valid ONNX model.
	ErrFormat = errors.New("not a valid ONNX model")
	// ErrUnsupported: the file is valid, as far as it was looked at, but uses
	// what goqat does not have; or a graph has what ONNX has not.
	ErrUnsupported = errors.New("not supported")
	// ErrPrepared: a graph with quantizers in training cannot be written.
	ErrPrepared = errors.New("the model is prepared for training with quantization: convert it first")
)

// NodeError says which node of a file or of a graph could not be handled.
type NodeError struct {
	// Node is the node's name, or that of its first output.
	Node string
	// Op is the operator, with its domain when that is not the default one.
	Op string
	// Opset is the version of the domain, 0 while writing.
	Opset int
	Err   error
}

// Error returns one line.
func (e *NodeError) Error() string {
	if e.Opset == 0 {
		return fmt.Sprintf("onnx: node %q (%s): %v", e.Node, e.Op, e.Err)
	}
	return fmt.Sprintf("onnx: node %q (%s, opset %d): %v", e.Node, e.Op, e.Opset, e.Err)
}

// Unwrap returns the cause.
func (e *NodeError) Unwrap() error { return e.Err }

func formatf(format string, a ...any) error {
	return fmt.Errorf("onnx: "+format+": %w", append(a, ErrFormat)...)
}

func unsupportedf(format string, a ...any) error {
	return fmt.Errorf(format+": %w", append(a, ErrUnsupported)...)
}

// Info is what a file says besides its graph.
type Info struct {
	IRVersion                         int
	Producer, ProducerVersion, Domain string
	ModelVersion                      int64
	Doc                               string
	// Opset is the version of the default domain; Domains has the others.
	Opset    int
	Domains  map[string]int
	Metadata map[string]string
	// Inputs and Outputs are in the order of the file; the graph's have the
	// same names and order.
	Inputs, Outputs []Port
}

// Port is an input or output as the file declares it.
type Port struct {
	Name string
	// Type is the element type in the file, such as "FLOAT16".
	Type string
	// Dims are the dimensions in the file, -1 for those it leaves open;
	// Symbols has their names.
	Dims    []int
	Symbols []string
	// ChannelsLast is set when the graph's value is [n, ..., c] where the
	// file has [n, c, ...].
	ChannelsLast bool
}

// String returns a form such as "input FLOAT[batch, 3, 224, 224]".
func (p Port) String() string {
	d := make([]string, len(p.Dims))
	for i, n := range p.Dims {
		d[i] = fmt.Sprint(n)
		if n < 0 {
			d[i] = "?"
			if p.Symbols[i] != "" {
				d[i] = p.Symbols[i]
			}
		}
	}
	return fmt.Sprintf("%s %s[%s]", p.Name, p.Type, strings.Join(d, ", "))
}

// microsoft is the domain of ONNX Runtime's own operators.
const microsoft = "com.microsoft"

func opName(domain, op string) string {
	if domain == "" {
		return op
	}
	return domain + ":" + op
}

// toLast returns the permutation from [n, c, ...] to [n, ..., c].
func toLast(rank int) []int {
	if rank < 3 {
		return identity(rank)
	}
	p := make([]int, 0, rank)
	p = append(p, 0)
	for i := 2; i < rank; i++ {
		p = append(p, i)
	}
	return append(p, 1)
}

// toFirst returns the permutation from [n, ..., c] to [n, c, ...].
func toFirst(rank int) []int {
	if rank < 3 {
		return identity(rank)
	}
	p := make([]int, 0, rank)
	p = append(p, 0, rank-1)
	for i := 1; i < rank-1; i++ {
		p = append(p, i)
	}
	return p
}

func identity(rank int) []int {
	p := make([]int, rank)
	for i := range p {
		p[i] = i
	}
	return p
}

func permuted(s []int, perm []int) []int {
	d := make([]int, len(perm))
	for i, p := range perm {
		d[i] = s[p]
	}
	return d
}

func numel(s []int) int { return tensor.Shape(s).Numel() }
