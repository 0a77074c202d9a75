package onnx

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/internal/durable"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/tensor"
)

// Form says how quantized operations are written.
type Form uint8

// The forms.
const (
	// FormAuto writes integer graphs as FormQDQ.
	FormAuto Form = iota
	// FormQDQ writes each integer operation as DequantizeLinear, the float
	// operation, and QuantizeLinear, which runtimes fuse again.
	FormQDQ
	// FormQOperator writes QLinearConv, QLinearMatMul and the operators of
	// the domain com.microsoft where there is one, and else as FormQDQ.
	FormQOperator
)

// String returns the form's name.
func (f Form) String() string {
	switch f {
	case FormAuto:
		return "auto"
	case FormQDQ:
		return "qdq"
	case FormQOperator:
		return "qoperator"
	}
	return fmt.Sprintf("Form(%d)", uint8(f))
}

const (
	// defaultOpset is what every runtime of the last years takes.
	defaultOpset               = 17
	minWriteOpset, maxWriteSet = 13, 21
	// maxMessage is the largest Protocol Buffers message.
	maxMessage = math.MaxInt32
	// externalAlign is where tensors start in an external file, so that they
	// can be mapped into memory.
	externalAlign = 4096
	// LayoutKey is the metadata entry that lists the inputs and outputs which
	// are channels first in the file and channels last in goqat.
	LayoutKey = "goqat.channels_first"
)

// WriteOptions of [Write].
type WriteOptions struct {
	// Opset is the operator set, 13 to 21; 0 takes 17, or a later one when
	// an operation needs it.
	Opset int
	Form  Form
	// Producer is the producer_name, "goqat" when empty; Name the graph's
	// name, "model" when empty.
	Producer, Name, Doc string
	Metadata            map[string]string
	// External, when not empty, is the name of a file beside the model for
	// the data of initializers of at least ExternalThreshold bytes (1024 when
	// 0). [Write] gives that data to ExternalWriter; [WriteFile] writes the
	// file itself, before the model.
	External          string
	ExternalThreshold int
	ExternalWriter    io.Writer
}

// Write writes g as an ONNX model. The same graph and options give the same
// bytes. A node that ONNX does not have is a [*NodeError] with
// [ErrUnsupported], a graph that is prepared but not converted [ErrPrepared].
func Write(w io.Writer, g *graph.Graph, o WriteOptions) error {
	m, ext, err := encode(g, o)
	if err != nil {
		return err
	}
	if len(ext.parts) > 0 {
		if o.ExternalWriter == nil {
			return errors.New("onnx: WriteOptions.External needs an ExternalWriter")
		}
		if err := ext.write(o.ExternalWriter); err != nil {
			return fmt.Errorf("onnx: external data: %w", err)
		}
	}
	if _, err := m.WriteTo(w); err != nil {
		return fmt.Errorf("onnx: %w", err)
	}
	return nil
}

// WriteFile replaces the file at path by the model, whole or not at all. With
// external data that file is replaced first: it must have a new name if the
// old model is to stay readable when the write is cut short in between.
func WriteFile(path string, g *graph.Graph, o WriteOptions) error {
	m, ext, err := encode(g, o)
	if err != nil {
		return err
	}
	if len(ext.parts) > 0 {
		data := filepath.Join(filepath.Dir(path), filepath.FromSlash(o.External))
		if err := durable.WriteOS(data, ext.write); err != nil {
			return fmt.Errorf("onnx: %w", err)
		}
	}
	err = durable.WriteOS(path, func(w io.Writer) error {
		_, err := m.WriteTo(w)
		return err
	})
	if err != nil {
		return fmt.Errorf("onnx: %w", err)
	}
	return nil
}

// external is the contents of an external file.
type external struct {
	parts [][]byte
	at    []int64
	end   int64
}

func (x *external) add(b []byte) (offset int64) {
	offset = (x.end + externalAlign - 1) / externalAlign * externalAlign
	x.parts, x.at, x.end = append(x.parts, b), append(x.at, offset), offset+int64(len(b))
	return offset
}

func (x *external) write(w io.Writer) error {
	var zeros [externalAlign]byte
	var done int64
	for i, b := range x.parts {
		if _, err := w.Write(zeros[:x.at[i]-done]); err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		done = x.at[i] + int64(len(b))
	}
	return nil
}

// opWriter writes one operation of goqat.
type opWriter struct {
	class layoutClass
	// since is the first operator set that has the operator.
	since int
	// needs, when not nil, returns that for an operation that not every set
	// with the operator can express.
	needs func(op backend.Op) int
	// codes says that the operator takes codes as it takes floats.
	codes bool
	write func(e *emit) error
}

var writers = map[string]opWriter{}

// registerWriter adds the writer of an operation; call it from init. It
// panics on a duplicate.
func registerWriter(op backend.Op, w opWriter) {
	if _, ok := writers[op.OpName()]; ok {
		panic("onnx: duplicate writer of " + op.OpName())
	}
	writers[op.OpName()] = w
}

// writer is a Write under way.
type writer struct {
	g       *graph.Graph
	o       WriteOptions
	opset   int
	nodes   []*pb.Message
	inits   []*pb.Message
	names   map[string]bool
	vals    map[int]*written
	outName map[int]string
	dynamic map[int]string    // scalars of DynamicQuantizeLinear by value
	stored  map[string]string // initializers by value and view
	reals   map[string]string // dequantized constants likewise
	ext     external
	domains bool // com.microsoft is used
	// flatten says which values may be flattened from channels first.
	flatten []bool
	first   []string
}

func encode(g *graph.Graph, o WriteOptions) (*pb.Message, *external, error) {
	if err := g.Err(); err != nil {
		return nil, nil, err
	}
	if o.External != "" && !filepath.IsLocal(filepath.FromSlash(o.External)) {
		return nil, nil, fmt.Errorf("onnx: external file %q is not beside the model", o.External)
	}
	if len(g.Outputs()) == 0 {
		return nil, nil, errors.New("onnx: the graph has no output")
	}
	w := &writer{g: g, o: o, names: map[string]bool{}, vals: map[int]*written{}, outName: map[int]string{}, dynamic: map[int]string{}, stored: map[string]string{}, reals: map[string]string{}}
	if err := w.chooseOpset(); err != nil {
		return nil, nil, err
	}
	if err := w.reserve(); err != nil {
		return nil, nil, err
	}
	image := w.imageInputs()
	for _, v := range g.Inputs() {
		x := &written{v: v, home: formNative}
		if image[v.ID()].isImage(len(v.Shape())) {
			x.home = formFirst
			w.first = append(w.first, v.Name())
		}
		x.real[x.home] = v.Name()
		w.vals[v.ID()] = x
	}
	for _, n := range g.Nodes() {
		if err := w.node(n); err != nil {
			return nil, nil, err
		}
	}
	m, err := w.model()
	if err != nil {
		return nil, nil, err
	}
	return m, &w.ext, nil
}

// chooseOpset finds the operator set and checks that every node can be
// written.
func (w *writer) chooseOpset() error {
	need, by := minWriteOpset, ""
	for _, n := range w.g.Nodes() {
		op := n.Op.OpName()
		if _, ok := n.Op.(backend.FakeQuant); ok {
			return &NodeError{Node: n.Name, Op: op, Err: ErrPrepared}
		}
		if _, ok := n.Op.(backend.Ranger); ok {
			return &NodeError{Node: n.Name, Op: op, Err: ErrPrepared}
		}
		f, ok := writers[op]
		if !ok {
			d := graph.Lookup(op)
			why := "no ONNX operator"
			if d != nil && d.NoONNX != "" {
				why = d.NoONNX
			}
			return &NodeError{Node: n.Name, Op: op, Err: unsupportedf("%s", why)}
		}
		since := f.since
		if f.needs != nil {
			since = max(since, f.needs(n.Op))
		}
		if since > need {
			need, by = since, n.Name
		}
	}
	w.opset = w.o.Opset
	switch {
	case w.opset == 0:
		w.opset = max(defaultOpset, need)
	case w.opset < minWriteOpset || w.opset > maxWriteSet:
		return fmt.Errorf("onnx: operator set %d: want %d to %d: %w", w.opset, minWriteOpset, maxWriteSet, ErrUnsupported)
	case w.opset < need:
		return fmt.Errorf("onnx: node %q needs operator set %d, not %d: %w", by, need, w.opset, ErrUnsupported)
	}
	return nil
}

// reserve takes the names of inputs, outputs and weights before any other.
func (w *writer) reserve() error {
	for _, v := range w.g.Inputs() {
		w.names[v.Name()] = true
	}
	for _, o := range w.g.Outputs() {
		if w.names[o.Name] {
			return fmt.Errorf("onnx: input and output are both named %q: %w", o.Name, ErrUnsupported)
		}
		w.names[o.Name] = true
		if _, ok := w.outName[o.Value.ID()]; !ok && o.Value.Kind() == graph.Computed {
			w.outName[o.Value.ID()] = o.Name
		}
	}
	for _, k := range []graph.Kind{graph.Param, graph.State} {
		for _, v := range w.g.Values(k) {
			if w.names[v.Name()] {
				return fmt.Errorf("onnx: an output is named as the weight %q: %w", v.Name(), ErrUnsupported)
			}
			w.names[v.Name()] = true
		}
	}
	return nil
}

// unique returns name, or name with a number if it is taken.
func (w *writer) unique(name string) string {
	s := name
	for i := 2; w.names[s]; i++ {
		s = name + "_" + strconv.Itoa(i)
	}
	w.names[s] = true
	return s
}

// imageInputs says which values are images to all their users.
func (w *writer) imageInputs() map[int]wish {
	n := 1
	for _, x := range w.g.Nodes() {
		for _, o := range x.Out {
			n = max(n, o.ID()+1)
		}
	}
	for _, v := range w.g.Inputs() {
		n = max(n, v.ID()+1)
	}
	var uses []use
	fixed := map[int]bool{} // dequantized constants
	for _, x := range w.g.Nodes() {
		u := use{class: writers[x.Op.OpName()].class}
		all := true
		for _, v := range x.In {
			id := v.ID()
			if k := v.Kind(); v.Absent() || k == graph.Param || k == graph.State || k == graph.Const || fixed[id] {
				id = -1
			}
			all = all && id < 0
			u.in = append(u.in, id)
		}
		for _, o := range x.Out {
			fixed[o.ID()] = all
			u.out = append(u.out, o.ID())
		}
		if u.class == layoutMatrix && !w.constWeight(x) {
			u.class = layoutNative
		}
		uses = append(uses, u)
	}
	m := map[int]wish{}
	wishes, flat := imageWishes(n, uses)
	w.flatten = make([]bool, n)
	for i, f := range flat {
		w.flatten[i] = f > wishNo && w.outName[i] == ""
	}
	for _, v := range w.g.Inputs() {
		m[v.ID()] = wishes[v.ID()]
	}
	return m
}

// constWeight reports whether the weight of a matrix operation is stored.
func (w *writer) constWeight(n *graph.Node) bool {
	i := 1
	switch n.Op.(type) {
	case backend.QLinearGemm, backend.QLinearMatMul, backend.GemmDequant, backend.MatMulDequant:
		i = 3
	}
	return i < len(n.In) && w.isStored(n.In[i])
}

// isStored reports whether v is a constant or dequantized from one.
func (w *writer) isStored(v graph.Value) bool {
	if n, _ := v.Producer(); n != nil {
		if _, ok := n.Op.(backend.DequantizeLinear); ok {
			return n.In[0].Init() != nil
		}
	}
	return v.Init() != nil
}

// irVersion returns the version of the format that came with an operator set.
func irVersion(opset int) int64 {
	switch {
	case opset >= 21:
		return 10
	case opset >= 19:
		return 9
	case opset >= 15:
		return 8
	}
	return 7
}

func or(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// model puts the file together.
func (w *writer) model() (*pb.Message, error) {
	g := &pb.Message{}
	outputs, err := w.outputs()
	if err != nil {
		return nil, err
	}
	for _, n := range w.nodes {
		g.Message(1, n)
	}
	g.Text(2, or(w.o.Name, "model"))
	for _, t := range w.inits {
		g.Message(5, t)
	}
	batched := w.batched()
	for _, v := range w.g.Inputs() {
		x := w.vals[v.ID()]
		g.Message(11, valueInfo(v.Name(), v, x.home == formFirst, batched))
	}
	for _, o := range outputs {
		g.Message(12, o(batched))
	}
	m := &pb.Message{}
	m.Int(1, irVersion(w.opset))
	m.Text(2, or(w.o.Producer, "goqat"))
	if w.o.Doc != "" {
		m.Text(6, w.o.Doc)
	}
	m.Message(7, g)
	m.Message(8, opsetID("", w.opset))
	if w.domains {
		m.Message(8, opsetID(microsoft, 1))
	}
	meta := maps.Clone(w.o.Metadata)
	if meta == nil {
		meta = map[string]string{}
	}
	delete(meta, LayoutKey)
	if len(w.first) > 0 {
		meta[LayoutKey] = joinNames(w.first)
	}
	for _, k := range slices.Sorted(maps.Keys(meta)) {
		e := &pb.Message{}
		e.Text(1, k)
		e.Text(2, meta[k])
		m.Message(14, e)
	}
	if m.Size() > maxMessage {
		return nil, fmt.Errorf("onnx: the model takes %d bytes, a file at most %d: use external data: %w", m.Size(), maxMessage, ErrUnsupported)
	}
	return m, nil
}

func joinNames(names []string) string {
	s := ""
	for i, n := range names {
		if i > 0 {
			s += ","
		}
		s += n
	}
	return s
}

func opsetID(domain string, version int) *pb.Message {
	m := &pb.Message{}
	if domain != "" {
		m.Text(1, domain)
	}
	m.Int(2, int64(version))
	return m
}

// outputs gives every result its name and returns how to declare it.
func (w *writer) outputs() ([]func(map[int][]bool) *pb.Message, error) {
	var out []func(map[int][]bool) *pb.Message
	for _, o := range w.g.Outputs() {
		v := o.Value
		x := w.value(v)
		f := x.home
		name, err := w.any(x, f)
		if err != nil {
			return nil, fmt.Errorf("onnx: output %q: %w", o.Name, err)
		}
		if name != o.Name {
			w.addNode("Identity", "", w.unique(o.Name+".identity"), []string{name}, []string{o.Name})
		}
		if f == formFirst {
			w.first = append(w.first, o.Name)
		}
		out = append(out, func(b map[int][]bool) *pb.Message { return valueInfo(o.Name, v, f == formFirst, b) })
	}
	return out, nil
}

// valueInfo declares an input or output.
func valueInfo(name string, v graph.Value, first bool, batched map[int][]bool) *pb.Message {
	dims, open := v.Shape().Clone(), batched[v.ID()]
	if open == nil {
		open = make([]bool, len(dims))
	}
	if first {
		p := toFirst(len(dims))
		dims = permuted(dims, p)
		o := make([]bool, len(p))
		for i, k := range p {
			o[i] = open[k]
		}
		open = o
	}
	shape := &pb.Message{}
	for i, d := range dims {
		x := &pb.Message{}
		switch {
		case open[i] && i == 0:
			x.Text(2, "batch")
		case !open[i]:
			x.Int(1, int64(d))
		}
		shape.Message(1, x)
	}
	t := &pb.Message{}
	t.Int(1, int64(elemOf(v.DType())))
	t.Message(2, shape)
	ty := &pb.Message{}
	ty.Message(1, t)
	m := &pb.Message{}
	m.Text(1, name)
	m.Message(2, ty)
	return m
}

// batched returns, for inputs and outputs, which dimensions change with the
// batch; nothing if the graph is made for its batch only.
func (w *writer) batched() map[int][]bool {
	other := graph.New()
	m := map[int]graph.Value{}
	for _, v := range w.g.Inputs() {
		s := tensor.Spec{DType: v.DType(), Shape: v.Shape().Clone()}
		if len(s.Shape) > 0 {
			s.Shape[0]++
		}
		m[v.ID()] = other.Input(v.Name(), s)
	}
	for _, k := range []graph.Kind{graph.Param, graph.State, graph.Const} {
		for _, v := range w.g.Values(k) {
			m[v.ID()] = other.Const("c", v.Init())
		}
	}
	for _, n := range w.g.Nodes() {
		in := make([]graph.Value, len(n.In))
		for i, v := range n.In {
			in[i] = m[v.ID()]
		}
		out := other.ApplyNamed("n", n.Op, in...)
		if out == nil {
			return nil
		}
		for i := range out {
			m[n.Out[i].ID()] = out[i]
		}
	}
	open := map[int][]bool{}
	mark := func(v graph.Value) {
		a, b := v.Shape(), m[v.ID()].Shape()
		o := make([]bool, len(a))
		for i := range a {
			o[i] = i < len(b) && a[i] != b[i]
		}
		open[v.ID()] = o
	}
	for _, v := range w.g.Inputs() {
		mark(v)
	}
	for _, o := range w.g.Outputs() {
		mark(o.Value)
	}
	return open
}
