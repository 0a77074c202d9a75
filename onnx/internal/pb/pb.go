// Package pb is the part of onnx.proto that goqat uses, decoded and encoded by
// hand on the wire format of Protocol Buffers.
//
// Decoding copies nothing: names and tensor data are slices of the file. It
// never recurses, since subgraphs, sequence types and functions are noted and
// left undecoded, and the number of objects it makes is bounded by the length
// of the file.
package pb

// Model is a ModelProto.
type Model struct {
	IRVersion       int64
	Producer        string
	ProducerVersion string
	Domain          string
	ModelVersion    int64
	Doc             string
	Graph           *Graph
	Opsets          []Opset
	Metadata        []Entry
	// Functions counts the functions that the model defines.
	Functions int
}

// Opset is an OperatorSetIdProto.
type Opset struct {
	Domain  string
	Version int64
}

// Entry is a StringStringEntryProto.
type Entry struct {
	Key, Value string
}

// Graph is a GraphProto.
type Graph struct {
	Name, Doc       string
	Nodes           []Node
	Initializers    []Tensor
	Inputs, Outputs []ValueInfo
	// Sparse counts the sparse initializers.
	Sparse int
}

// Node is a NodeProto.
type Node struct {
	Name, OpType, Domain string
	Inputs, Outputs      []string
	Attributes           []Attribute
}

// Attribute is an AttributeProto. The repeated numbers are decoded on demand.
type Attribute struct {
	Name string
	Type AttributeType
	F    float32
	I    int64
	S    []byte
	T    *Tensor
	Ref  string
	msg  []byte
}

// AttributeType is AttributeProto.AttributeType.
type AttributeType int32

// The attribute types that goqat reads.
const (
	AttributeUndefined AttributeType = iota
	AttributeFloat
	AttributeInt
	AttributeString
	AttributeTensor
	AttributeGraph
	AttributeFloats
	AttributeInts
	AttributeStrings
)

var attributeNames = [...]string{"undefined", "float", "int", "string", "tensor", "graph", "floats", "ints", "strings"}

// String returns the type's name, such as "ints".
func (t AttributeType) String() string {
	if t >= 0 && int(t) < len(attributeNames) {
		return attributeNames[t]
	}
	return "another type"
}

// Tensor is a TensorProto.
type Tensor struct {
	Name     string
	Dims     []int64
	Type     DataType
	Raw      []byte // raw_data
	HasRaw   bool
	External []Entry
	// Location is data_location: 0 in the file, 1 external.
	Location int64
	// Segmented says that the field segment is set.
	Segmented bool
	msg       []byte
	typed     bool
}

// DataType is TensorProto.DataType.
type DataType int32

// The element types.
const (
	Undefined DataType = iota
	Float
	Uint8
	Int8
	Uint16
	Int16
	Int32
	Int64
	String
	Bool
	Float16
	Double
	Uint32
	Uint64
	Complex64
	Complex128
	BFloat16
	Float8E4M3FN
	Float8E4M3FNUZ
	Float8E5M2
	Float8E5M2FNUZ
	Uint4
	Int4
	Float4E2M1
	Float8E8M0
	Uint2
	Int2
)

var dataTypeNames = [...]string{"UNDEFINED", "FLOAT", "UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64", "STRING", "BOOL",
	"FLOAT16", "DOUBLE", "UINT32", "UINT64", "COMPLEX64", "COMPLEX128", "BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ",
	"FLOAT8E5M2", "FLOAT8E5M2FNUZ", "UINT4", "INT4", "FLOAT4E2M1", "FLOAT8E8M0", "UINT2", "INT2"}

// String returns the type's name in onnx.proto, such as "FLOAT16".
func (d DataType) String() string {
	if d >= 0 && int(d) < len(dataTypeNames) {
		return dataTypeNames[d]
	}
	return "an unknown type"
}

// ValueInfo is a ValueInfoProto. Tensor is false for sequences, maps and
// optional types; Shaped is false when the rank is not given.
type ValueInfo struct {
	Name           string
	Tensor, Shaped bool
	Type           DataType
	Dims           []Dim
}

// Dim is one dimension of a TensorShapeProto: Value when Known, else a symbol,
// which may be empty.
type Dim struct {
	Known bool
	Value int64
	Param string
}
