// Package target is what models are converted for: runtimes, compilers and
// chips. A Target says what training must obey, checks a converted model
// against its constraints, and lowers it to a file with a bit-exact
// simulation.
package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
)

// Target is one place a model can go to.
type Target interface {
	// Name is what commands take, such as "tflite".
	Name() string
	// About is one line for people; Constraints are its rules, one a line.
	About() string
	Constraints() []string
	// Config is what training must obey for this target, with its defaults.
	Config() *qat.Config
	// Check returns every violation of the constraints by m.
	Check(m *qat.Model) []Violation
	// Lower makes the artifact. It refuses a model with fatal violations by
	// a [ViolationError].
	Lower(ctx context.Context, m *qat.Model) (Artifact, error)
	// Runnable returns nil when this machine can run artifacts itself, else
	// what is missing.
	Runnable() error
}

// Violation is a constraint that a model breaks.
type Violation struct {
	Node   string `json:"node"` // Node or tensor.
	Reason string `json:"reason"`
	// Fatal violations refuse the model; others are warnings.
	Fatal bool `json:"fatal"`
}

// String returns "node: reason".
func (v Violation) String() string { return v.Node + ": " + v.Reason }

// ViolationError lists why a target refuses a model.
type ViolationError struct {
	Target     string
	Violations []Violation
}

// Error returns one line a violation.
func (e *ViolationError) Error() string {
	lines := []string{fmt.Sprintf("target: %s cannot take this model (%d violations):", e.Target, len(e.Violations))}
	for _, v := range e.Violations {
		lines = append(lines, "  "+v.String())
	}
	return strings.Join(lines, "\n")
}

// Refuse returns a *ViolationError of the fatal ones among vs, nil if there
// are none.
func Refuse(target string, vs []Violation) error {
	e := &ViolationError{Target: target}
	for _, v := range vs {
		if v.Fatal {
			e.Violations = append(e.Violations, v)
		}
	}
	if len(e.Violations) == 0 {
		return nil
	}
	return e
}

// Artifact is a model in the form of a target.
type Artifact interface {
	// WriteTo writes the file.
	io.WriterTo
	// Ext is the usual ending of the file's name, such as ".tflite".
	Ext() string
	// Open prepares the artifact's exact integer semantics for a batch size
	// on a backend.
	Open(ctx context.Context, b backend.Backend, batch int) (Session, error)
}

// Session runs an artifact. Inputs and outputs are float32, as the model
// before conversion had them; codes are quantized and dequantized with the
// artifact's own parameters.
type Session interface {
	// Inputs and Outputs describe the tensors in order.
	Inputs() []Port
	Outputs() []Port
	// Run computes the outputs; it allocates nothing. in and out have the
	// types of Inputs and Outputs.
	Run(ctx context.Context, in, out []*tensor.Tensor) error
	Close() error
}

// Port is an input or output of a session.
type Port struct {
	Name string
	Spec tensor.Spec
}

var registry = map[string]Target{}

// Register adds a target; call it from init. It panics on a duplicate.
func Register(t Target) {
	if registry[t.Name()] != nil {
		panic("target: duplicate registration of " + t.Name())
	}
	registry[t.Name()] = t
}

// ErrUnknown is the cause when a name is not that of a target.
var ErrUnknown = errors.New("unknown target")

// Lookup returns the target of a name.
func Lookup(name string) (Target, error) {
	if t := registry[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("target: %w %q: have %s", ErrUnknown, name, strings.Join(Names(), ", "))
}

// Names returns the names of all targets in order.
func Names() []string {
	var n []string
	for k := range registry {
		n = append(n, k)
	}
	slices.Sort(n)
	return n
}
