package onnx

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/tensor"
)

const (
	// budgetFactor times the file's size, and budgetBase bytes, is what
	// constants may take in memory: 16-bit floats double, and a permuted
	// constant is a copy.
	budgetFactor = 6
	budgetBase   = 16 << 20
	// minOpset and maxOpset are the versions of the default domain whose
	// operators the readers know.
	minOpset, maxOpset = 1, 26
)

// ReadOptions of [Read].
type ReadOptions struct {
	// Dir is the folder that external data must be in; without it such data
	// is refused. [ReadFile] takes the model's own folder.
	Dir string
	// KeepInputLayout keeps inputs and outputs in the layout that the file
	// declares, with transpositions inside the graph.
	KeepInputLayout bool
	// Batch replaces an open outermost dimension of the inputs, 1 when 0.
	// Programs may change it again.
	Batch int
	// Dims gives values to other open dimensions by their symbols.
	Dims map[string]int
	// Constants fixes inputs by name: they are constants of the graph and no
	// longer its inputs. They have the file's layout.
	Constants map[string]*tensor.Tensor
	// Memory is what constants may take in bytes beyond a small multiple of
	// the file's size: for files that compute large constants.
	Memory int64
}

// Read returns the model in b. Errors are [ErrFormat] or [ErrUnsupported],
// inside a [*NodeError] where a node is at fault. The graph does not refer to
// b after that.
func Read(b []byte, o ReadOptions) (g *graph.Graph, info *Info, err error) {
	defer func() {
		if v := recover(); v != nil {
			g, info, err = nil, nil, fmt.Errorf("onnx: panic while reading: %v\n%s", v, debug.Stack())
		}
	}()
	return read(b, o)
}

// ReadFile returns the model in a file. See [Read].
func ReadFile(path string, o ReadOptions) (*graph.Graph, *Info, error) {
	s, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("onnx: %w", err)
	}
	if !s.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("onnx: %s is not a regular file", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("onnx: %w", err)
	}
	if o.Dir == "" {
		o.Dir = filepath.Dir(path)
	}
	g, info, err := Read(b, o)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return g, info, nil
}

// reader is a Read under way.
type reader struct {
	o     ReadOptions
	m     *pb.Model
	g     *graph.Graph
	info  *Info
	vals  map[string]*value
	users map[string][]*pb.Node
	isOut map[string]bool
	// flatten has the names that may be flattened from channels last.
	flatten map[string]bool
	done    map[*pb.Node]bool // nodes that an earlier one has taken in
	budget  int64
	taken   map[string][]span
	root    *os.Root
	files   map[string]*os.File
}

func read(b []byte, o ReadOptions) (*graph.Graph, *Info, error) {
	m, err := pb.DecodeModel(b)
	if err != nil {
		return nil, nil, formatf("%v", err)
	}
	r := &reader{o: o, m: m, g: graph.New(), vals: map[string]*value{}, users: map[string][]*pb.Node{}, isOut: map[string]bool{}, flatten: map[string]bool{},
		done: map[*pb.Node]bool{}, budget: budgetBase + budgetFactor*int64(len(b)) + o.Memory, taken: map[string][]span{}, files: map[string]*os.File{}}
	defer r.close()
	if err := r.header(); err != nil {
		return nil, nil, err
	}
	if err := r.names(); err != nil {
		return nil, nil, err
	}
	if err := r.inputs(); err != nil {
		return nil, nil, err
	}
	for i := range m.Graph.Nodes {
		n := &m.Graph.Nodes[i]
		if r.done[n] {
			continue
		}
		if err := r.node(n); err != nil {
			return nil, nil, err
		}
	}
	if err := r.outputs(); err != nil {
		return nil, nil, err
	}
	return r.g, r.info, r.g.Err()
}

// header checks what stands around the graph.
func (r *reader) header() error {
	m := r.m
	r.info = &Info{IRVersion: int(m.IRVersion), Producer: m.Producer, ProducerVersion: m.ProducerVersion, Domain: m.Domain,
		ModelVersion: m.ModelVersion, Doc: m.Doc, Domains: map[string]int{}, Metadata: map[string]string{}}
	switch {
	case m.Graph == nil:
		return formatf("there is no graph")
	case m.IRVersion < 3:
		return formatf("IR version %d: want 3 or later", m.IRVersion)
	case m.IRVersion > math.MaxInt32:
		return formatf("IR version %d", m.IRVersion)
	case m.Functions > 0:
		return fmt.Errorf("onnx: the model defines %d functions: %w", m.Functions, ErrUnsupported)
	case m.Graph.Sparse > 0:
		return fmt.Errorf("onnx: the graph has sparse initializers: %w", ErrUnsupported)
	case len(m.Graph.Outputs) == 0:
		return formatf("the graph has no output")
	}
	for _, e := range m.Metadata {
		if _, ok := r.info.Metadata[e.Key]; ok {
			return formatf("metadata %q is given twice", e.Key)
		}
		r.info.Metadata[e.Key] = e.Value
	}
	for _, o := range m.Opsets {
		if o.Version < 1 || o.Version > math.MaxInt32 {
			return formatf("version %d of operator set %q", o.Version, o.Domain)
		}
		if o.Domain == "" || o.Domain == "ai.onnx" {
			if r.info.Opset != 0 {
				return formatf("the default operator set is given twice")
			}
			r.info.Opset = int(o.Version)
			continue
		}
		if _, ok := r.info.Domains[o.Domain]; ok {
			return formatf("operator set %q is given twice", o.Domain)
		}
		r.info.Domains[o.Domain] = int(o.Version)
	}
	if r.info.Opset == 0 && len(r.info.Domains) == 0 {
		return formatf("there is no operator set")
	}
	if r.info.Opset > maxOpset {
		return fmt.Errorf("onnx: operator set %d: want at most %d: %w", r.info.Opset, maxOpset, ErrUnsupported)
	}
	return nil
}

// names checks that every name is defined once and before its use, and
// collects the users of each.
func (r *reader) names() error {
	g := r.m.Graph
	defined := make(map[string]bool, len(g.Nodes)+len(g.Initializers))
	define := func(kind, name string) error {
		if name == "" {
			return formatf("%s without a name", kind)
		}
		if defined[name] {
			return formatf("%s %q: the name is taken", kind, name)
		}
		defined[name] = true
		return nil
	}
	for i := range g.Initializers {
		t := &g.Initializers[i]
		if err := define("initializer", t.Name); err != nil {
			return err
		}
		r.vals[t.Name] = &value{name: t.Name, elem: t.Type, init: t, stored: true}
	}
	declared := map[string]bool{}
	for _, v := range g.Inputs {
		if declared[v.Name] {
			return formatf("input %q is declared twice", v.Name)
		}
		declared[v.Name] = true
		// Before IR version 4, initializers had to be inputs as well.
		if r.vals[v.Name] == nil {
			if err := define("input", v.Name); err != nil {
				return err
			}
		}
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		for _, in := range n.Inputs {
			if in != "" && !defined[in] {
				return r.nodeError(n, formatf("input %q is not defined before", in))
			}
			if in != "" {
				r.users[in] = append(r.users[in], n)
			}
		}
		for _, out := range n.Outputs {
			if out == "" {
				continue
			}
			if err := define("output", out); err != nil {
				return r.nodeError(n, err)
			}
		}
	}
	for _, o := range g.Outputs {
		if !defined[o.Name] {
			return formatf("output %q is not computed", o.Name)
		}
		if r.isOut[o.Name] {
			return formatf("output %q is given twice", o.Name)
		}
		r.isOut[o.Name] = true
	}
	return nil
}

// inputs makes the graph's inputs.
func (r *reader) inputs() error {
	image := r.imageInputs()
	for _, v := range r.m.Graph.Inputs {
		if r.vals[v.Name] != nil {
			continue // An initializer.
		}
		if !v.Tensor || !v.Shaped {
			return fmt.Errorf("onnx: input %q is not a tensor of known rank: %w", v.Name, ErrUnsupported)
		}
		if t := r.o.Constants[v.Name]; t != nil {
			r.vals[v.Name] = &value{name: v.Name, elem: v.Type, data: t, dims: t.Shape()}
			continue
		}
		d, err := elementType(v.Type)
		if err != nil {
			return fmt.Errorf("onnx: input %q: %w", v.Name, err)
		}
		port := portOf(v)
		dims := make([]int64, len(v.Dims))
		for i, x := range v.Dims {
			dims[i] = x.Value
			if x.Known {
				continue
			}
			given, ok := r.o.Dims[x.Param]
			switch {
			case ok && x.Param != "":
				dims[i] = int64(given)
			case i == 0:
				dims[i] = int64(max(r.o.Batch, 1))
			default:
				return fmt.Errorf("onnx: dimension %d of input %v is open: ReadOptions.Dims gives it a value: %w", i, port, ErrUnsupported)
			}
		}
		shape, err := shapeOf(dims)
		if err != nil {
			return fmt.Errorf("onnx: input %q: %w", v.Name, err)
		}
		x := &value{name: v.Name, elem: v.Type, dims: shape, batched: len(shape) > 0}
		r.vals[v.Name] = x
		if image[v.Name].isImage(len(shape)) && !r.o.KeepInputLayout {
			port.ChannelsLast = true
			x.last = r.g.Input(v.Name, tensor.Spec{DType: d, Shape: permuted(shape, toLast(len(shape)))})
		} else {
			x.plain = r.g.Input(v.Name, tensor.Spec{DType: d, Shape: shape})
		}
		r.info.Inputs = append(r.info.Inputs, port)
		if err := r.g.Err(); err != nil {
			return formatf("input %q: %v", v.Name, err)
		}
	}
	return nil
}

func portOf(v pb.ValueInfo) Port {
	p := Port{Name: v.Name, Type: v.Type.String()}
	for _, d := range v.Dims {
		n := -1
		if d.Known && d.Value >= 0 && d.Value <= math.MaxInt32 {
			n = int(d.Value)
		}
		p.Dims = append(p.Dims, n)
		p.Symbols = append(p.Symbols, d.Param)
	}
	return p
}

// imageInputs says which inputs are images to all their users.
func (r *reader) imageInputs() map[string]wish {
	ids := map[string]int{}
	id := func(name string) int {
		if name == "" {
			return -1
		}
		if r.vals[name] != nil || r.o.Constants[name] != nil { // So far only initializers.
			return -1
		}
		if _, ok := ids[name]; !ok {
			ids[name] = len(ids)
		}
		return ids[name]
	}
	var uses []use
	constant := map[string]bool{}
	for i := range r.m.Graph.Nodes {
		n := &r.m.Graph.Nodes[i]
		var u use
		if f, ok := readers[opName(domainOf(n), n.OpType)]; ok {
			u.class = f.class
		}
		all := true
		for _, in := range n.Inputs {
			k := id(in)
			if k >= 0 && constant[in] {
				k = -1
			}
			all = all && k < 0
			u.in = append(u.in, k)
		}
		if u.class == layoutMatrix && (len(u.in) < 2 || u.in[1] >= 0) {
			u.class = layoutNative
		}
		for _, out := range n.Outputs {
			if all {
				constant[out] = true
			}
			u.out = append(u.out, id(out))
		}
		uses = append(uses, u)
	}
	w, flat := imageWishes(len(ids), uses)
	for name, k := range ids {
		r.flatten[name] = flat[k] > wishNo && !r.isOut[name]
	}
	m := map[string]wish{}
	for _, v := range r.m.Graph.Inputs {
		if k, ok := ids[v.Name]; ok {
			m[v.Name] = w[k]
		}
	}
	return m
}

// outputs names the results.
func (r *reader) outputs() error {
	for _, o := range r.m.Graph.Outputs {
		v := r.vals[o.Name]
		if v == nil {
			return fmt.Errorf("onnx: output %q: %w", o.Name, ErrUnsupported)
		}
		port := portOf(o)
		if port.Type == pb.Undefined.String() {
			port.Type = v.elem.String()
		}
		var y graph.Value
		form := r.formOf(v)
		if form == formLast && !r.o.KeepInputLayout && len(v.dims) > 2 {
			port.ChannelsLast = true
			y = v.last
		} else {
			var err error
			if y, err = r.plain(v); err != nil {
				return fmt.Errorf("onnx: output %q: %w", o.Name, err)
			}
		}
		if err := r.g.Err(); err != nil {
			return fmt.Errorf("onnx: output %q: %w", o.Name, err)
		}
		r.g.Output(o.Name, y)
		r.info.Outputs = append(r.info.Outputs, port)
	}
	return r.g.Err()
}

// domainOf returns the domain of a node, "" for the default one.
func domainOf(n *pb.Node) string {
	if n.Domain == "ai.onnx" {
		return ""
	}
	return n.Domain
}

func (r *reader) opset(domain string) int {
	if domain == "" {
		return r.info.Opset
	}
	return r.info.Domains[domain]
}

func (r *reader) nodeError(n *pb.Node, err error) error {
	var ne *NodeError
	if errors.As(err, &ne) {
		return err
	}
	d := domainOf(n)
	return &NodeError{Node: nodeName(n), Op: opName(d, n.OpType), Opset: max(r.opset(d), 1), Err: err}
}

func nodeName(n *pb.Node) string {
	if n.Name == "" && len(n.Outputs) > 0 {
		return n.Outputs[0]
	}
	return n.Name
}

// opReader reads one operator.
type opReader struct {
	class layoutClass
	read  func(c *call) error
	// fold, when not nil, computes the node on constants; it returns false
	// to leave that to read.
	fold func(c *call) (bool, error)
}

var readers = map[string]opReader{}

// registerReader adds the reader of an operator; call it from init. It panics
// on a duplicate.
func registerReader(op string, r opReader) {
	if _, ok := readers[op]; ok {
		panic("onnx: duplicate reader of " + op)
	}
	readers[op] = r
}

// node reads one node.
func (r *reader) node(n *pb.Node) error {
	domain := domainOf(n)
	version := r.opset(domain)
	if version == 0 {
		return r.nodeError(n, formatf("the file names no operator set for the domain %q", domain))
	}
	f, ok := readers[opName(domain, n.OpType)]
	if !ok {
		return r.nodeError(n, unsupportedf("the operator"))
	}
	c := &call{reader: r, n: n, opset: version, name: nodeName(n)}
	for i := range n.Attributes {
		a := &n.Attributes[i]
		if a.Ref != "" {
			return r.nodeError(n, formatf("attribute %q refers to a function's", a.Name))
		}
		if slices.ContainsFunc(n.Attributes[:i], func(b pb.Attribute) bool { return b.Name == a.Name }) {
			return r.nodeError(n, formatf("attribute %q is given twice", a.Name))
		}
	}
	for _, name := range n.Inputs {
		c.in = append(c.in, r.vals[name])
	}
	done := false
	if f.fold != nil && c.constant() {
		var err error
		if done, err = f.fold(c); err != nil {
			return r.nodeError(n, err)
		}
	}
	if !done {
		if err := f.read(c); err != nil {
			return r.nodeError(n, err)
		}
	}
	return c.finish()
}
