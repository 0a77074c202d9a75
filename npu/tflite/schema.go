package tflite

import (
	"fmt"
	"strings"
)

// The numbers of the TFLite schema that are used here.
const (
	opAdd             = 0
	opAveragePool2D   = 1
	opConcatenation   = 2
	opConv2D          = 3
	opDepthwiseConv2D = 4
	opDequantize      = 6
	opFullyConnected  = 9
	opLogistic        = 14
	opMaxPool2D       = 17
	opMul             = 18
	opRelu            = 19
	opReluN1To1       = 20
	opRelu6           = 21
	opReshape         = 22
	opSoftmax         = 25
	opTanh            = 28
	opPad             = 34
	opTranspose       = 39
	opMean            = 40
	opSub             = 41
	opSqueeze         = 43
	opStridedSlice    = 45
	opPadV2           = 60
	opSlice           = 65
	opExpandDims      = 70
	opShape           = 77
	opPack            = 83
	opLeakyRelu       = 98
	opQuantize        = 114
	opHardSwish       = 117

	typeFloat32 = 0
	typeInt32   = 2
	typeUInt8   = 3
	typeInt64   = 4
	typeInt8    = 9

	paddingSame  = 0
	paddingValid = 1

	actNone     = 0
	actRelu     = 1
	actReluN1   = 2
	actRelu6    = 3
	schemaModel = 3 // Model.version
)

// operatorNames are the schema's builtin operators from 0 on.
var operatorNames = strings.Fields(`ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D
DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION
L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU
RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS
SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER
BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM
STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE
BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL
LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM
SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND
LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE
RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2
ADD_N GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND
HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY
SEGMENT_SUM BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D
CONV_3D IMAG REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL
CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL
BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE`)

// opName returns the schema's name of an operator.
func opName(code int) string {
	if code >= 0 && code < len(operatorNames) {
		return operatorNames[code]
	}
	return fmt.Sprintf("operator %d", code)
}

// attributes are the options of all operators used here in one struct.
type attributes struct {
	padding, activation        int
	strideW, strideH           int
	dilationW, dilationH       int
	filterW, filterH           int
	depthMultiplier            int
	weightsFormat, keepNumDims int
	axis, keepDims             int
	beginMask, endMask         int
	ellipsisMask, newAxisMask  int
	shrinkMask                 int
	outType, valuesCount       int
	beta, alpha                float32
	dims                       []int // new shape, squeezed dimensions
}

// slot is one field of an options table. Exactly one of the functions is set.
type slot struct {
	id, bytes int
	def       int
	number    func(*attributes) *int
	float     func(*attributes) *float32
	vector    func(*attributes) *[]int
}

func i8(id int, f func(*attributes) *int) slot  { return slot{id: id, bytes: 1, number: f} }
func i32(id int, f func(*attributes) *int) slot { return slot{id: id, bytes: 4, number: f} }
func (s slot) or(def int) slot                  { s.def = def; return s }
func f32(id int, f func(*attributes) *float32) slot {
	return slot{id: id, bytes: 4, float: f}
}
func vec(id int, f func(*attributes) *[]int) slot {
	return slot{id: id, bytes: 4, vector: f}
}

// The fields, for the tables below.
func padding(a *attributes) *int         { return &a.padding }
func activation(a *attributes) *int      { return &a.activation }
func strideW(a *attributes) *int         { return &a.strideW }
func strideH(a *attributes) *int         { return &a.strideH }
func dilationW(a *attributes) *int       { return &a.dilationW }
func dilationH(a *attributes) *int       { return &a.dilationH }
func filterW(a *attributes) *int         { return &a.filterW }
func filterH(a *attributes) *int         { return &a.filterH }
func depthMultiplier(a *attributes) *int { return &a.depthMultiplier }
func weightsFormat(a *attributes) *int   { return &a.weightsFormat }
func keepNumDims(a *attributes) *int     { return &a.keepNumDims }
func axis(a *attributes) *int            { return &a.axis }
func keepDims(a *attributes) *int        { return &a.keepDims }
func beginMask(a *attributes) *int       { return &a.beginMask }
func endMask(a *attributes) *int         { return &a.endMask }
func ellipsisMask(a *attributes) *int    { return &a.ellipsisMask }
func newAxisMask(a *attributes) *int     { return &a.newAxisMask }
func shrinkMask(a *attributes) *int      { return &a.shrinkMask }
func outType(a *attributes) *int         { return &a.outType }
func valuesCount(a *attributes) *int     { return &a.valuesCount }
func beta(a *attributes) *float32        { return &a.beta }
func alpha(a *attributes) *float32       { return &a.alpha }
func dims(a *attributes) *[]int          { return &a.dims }

// operatorDef says how the options of an operator lie in the file and which
// operator version TensorFlow writes for int8 tensors.
type operatorDef struct {
	union   int // BuiltinOptions, 0 for none
	version int
	slots   []slot
}

var pool2D = []slot{i8(0, padding), i32(1, strideW), i32(2, strideH), i32(3, filterW), i32(4, filterH), i8(5, activation)}

var operatorDefs = map[int]operatorDef{
	opAdd:           {11, 2, []slot{i8(0, activation)}},
	opSub:           {28, 2, []slot{i8(0, activation)}},
	opMul:           {21, 2, []slot{i8(0, activation)}},
	opAveragePool2D: {5, 2, pool2D},
	opMaxPool2D:     {5, 2, pool2D},
	opConcatenation: {10, 2, []slot{i32(0, axis), i8(1, activation)}},
	opConv2D: {1, 3, []slot{i8(0, padding), i32(1, strideW), i32(2, strideH), i8(3, activation),
		i32(4, dilationW).or(1), i32(5, dilationH).or(1)}},
	opDepthwiseConv2D: {2, 3, []slot{i8(0, padding), i32(1, strideW), i32(2, strideH), i32(3, depthMultiplier),
		i8(4, activation), i32(5, dilationW).or(1), i32(6, dilationH).or(1)}},
	opFullyConnected: {8, 4, []slot{i8(0, activation), i8(1, weightsFormat), i8(2, keepNumDims)}},
	opReshape:        {17, 1, []slot{vec(0, dims)}},
	opSqueeze:        {30, 1, []slot{vec(0, dims)}},
	opExpandDims:     {52, 1, nil},
	opShape:          {55, 1, []slot{i8(0, outType)}},
	opPack:           {59, 1, []slot{i32(0, valuesCount), i32(1, axis)}},
	opSoftmax:        {9, 2, []slot{f32(0, beta)}},
	opMean:           {27, 2, []slot{i8(0, keepDims)}},
	opPad:            {22, 2, nil},
	opPadV2:          {43, 2, nil},
	opTranspose:      {26, 2, nil},
	opSlice:          {48, 2, nil},
	opStridedSlice: {32, 2, []slot{i32(0, beginMask), i32(1, endMask), i32(2, ellipsisMask),
		i32(3, newAxisMask), i32(4, shrinkMask)}},
	opQuantize:   {89, 2, nil},
	opDequantize: {38, 2, nil},
	opLogistic:   {0, 2, nil},
	opTanh:       {0, 2, nil},
	opRelu:       {0, 2, nil},
	opRelu6:      {0, 2, nil},
	opReluN1To1:  {0, 1, nil},
	opHardSwish:  {91, 1, nil},
	opLeakyRelu:  {75, 2, []slot{f32(0, alpha)}},
}

// tensorInfo is a tensor of a file.
type tensorInfo struct {
	name  string
	dtype int
	shape []int
	// buffer is the number of its data in the file, data the bytes, nil for
	// a computed tensor.
	buffer int
	data   []byte
	scale  []float32
	zero   []int64
	axis   int
}

// operator is a node of a file. Inputs are numbers of tensors, -1 for an
// absent one.
type operator struct {
	code, version int
	in, out       []int
	attributes
}

// model is a file with one subgraph.
type model struct {
	tensors         []tensorInfo
	operators       []operator
	inputs, outputs []int
}
