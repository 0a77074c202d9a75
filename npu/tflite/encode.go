package tflite

import (
	"slices"

	flatbuffers "github.com/google/flatbuffers/go"
)

// identifier marks a TFLite file, at byte 4.
const identifier = "TFL3"

// bufferAlignment is that of weights in the file, for kernels that read them
// in place.
const bufferAlignment = 16

// encode returns the bytes of a file. Equal models give equal bytes.
func encode(m *model) []byte {
	b := flatbuffers.NewBuilder(1024)
	// Children come before parents in a FlatBuffers builder.
	buffers := []flatbuffers.UOffsetT{emptyTable(b, 3)}
	place := make([]int, len(m.tensors))
	for i, t := range m.tensors {
		if t.data != nil {
			place[i] = len(buffers)
			buffers = append(buffers, encodeBuffer(b, t.data))
		}
	}
	buffersAt := offsets(b, buffers)

	codes, index := operatorCodes(m)
	codeTables := make([]flatbuffers.UOffsetT, len(codes))
	for i, c := range codes {
		b.StartObject(4)
		b.PrependInt8Slot(0, int8(min(c[0], 127)), 0)
		b.PrependInt32Slot(2, int32(c[1]), 1)
		b.PrependInt32Slot(3, int32(c[0]), 0)
		codeTables[i] = b.EndObject()
	}
	codesAt := offsets(b, codeTables)

	tensors := make([]flatbuffers.UOffsetT, len(m.tensors))
	for i := range m.tensors {
		tensors[i] = encodeTensor(b, &m.tensors[i], place[i])
	}
	tensorsAt := offsets(b, tensors)
	operators := make([]flatbuffers.UOffsetT, len(m.operators))
	for i := range m.operators {
		operators[i] = encodeOperator(b, &m.operators[i], index[i])
	}
	operatorsAt := offsets(b, operators)
	inputs, outputs := integers(b, m.inputs), integers(b, m.outputs)
	name := b.CreateString("main")
	b.StartObject(6)
	b.PrependUOffsetTSlot(0, tensorsAt, 0)
	b.PrependUOffsetTSlot(1, inputs, 0)
	b.PrependUOffsetTSlot(2, outputs, 0)
	b.PrependUOffsetTSlot(3, operatorsAt, 0)
	b.PrependUOffsetTSlot(4, name, 0)
	subgraphs := offsets(b, []flatbuffers.UOffsetT{b.EndObject()})

	description := b.CreateString("goqat")
	b.StartObject(10)
	b.PrependUint32Slot(0, schemaModel, 0)
	b.PrependUOffsetTSlot(1, codesAt, 0)
	b.PrependUOffsetTSlot(2, subgraphs, 0)
	b.PrependUOffsetTSlot(3, description, 0)
	b.PrependUOffsetTSlot(4, buffersAt, 0)
	b.FinishWithFileIdentifier(b.EndObject(), []byte(identifier))
	return b.FinishedBytes()
}

// operatorCodes returns the pairs of operator and version in order of first
// use, and which one each operator has.
func operatorCodes(m *model) (codes [][2]int, index []int) {
	for _, o := range m.operators {
		c := [2]int{o.code, o.version}
		i := slices.Index(codes, c)
		if i < 0 {
			i = len(codes)
			codes = append(codes, c)
		}
		index = append(index, i)
	}
	return codes, index
}

func emptyTable(b *flatbuffers.Builder, slots int) flatbuffers.UOffsetT {
	b.StartObject(slots)
	return b.EndObject()
}

func encodeBuffer(b *flatbuffers.Builder, data []byte) flatbuffers.UOffsetT {
	b.StartVector(1, len(data), bufferAlignment)
	for i := len(data) - 1; i >= 0; i-- {
		b.PlaceByte(data[i])
	}
	at := b.EndVector(len(data))
	b.StartObject(3)
	b.PrependUOffsetTSlot(0, at, 0)
	return b.EndObject()
}

func encodeTensor(b *flatbuffers.Builder, t *tensorInfo, buffer int) flatbuffers.UOffsetT {
	shape, name := integers(b, t.shape), b.CreateString(t.name)
	var quantization flatbuffers.UOffsetT
	if len(t.scale) > 0 {
		b.StartVector(4, len(t.scale), 4)
		for i := len(t.scale) - 1; i >= 0; i-- {
			b.PlaceFloat32(t.scale[i])
		}
		scale := b.EndVector(len(t.scale))
		b.StartVector(8, len(t.zero), 8)
		for i := len(t.zero) - 1; i >= 0; i-- {
			b.PlaceInt64(t.zero[i])
		}
		zero := b.EndVector(len(t.zero))
		b.StartObject(7)
		b.PrependUOffsetTSlot(2, scale, 0)
		b.PrependUOffsetTSlot(3, zero, 0)
		b.PrependInt32Slot(6, int32(t.axis), 0)
		quantization = b.EndObject()
	}
	b.StartObject(8)
	b.PrependUOffsetTSlot(0, shape, 0)
	b.PrependInt8Slot(1, int8(t.dtype), 0)
	b.PrependUint32Slot(2, uint32(buffer), 0)
	b.PrependUOffsetTSlot(3, name, 0)
	b.PrependUOffsetTSlot(4, quantization, 0)
	return b.EndObject()
}

func encodeOperator(b *flatbuffers.Builder, o *operator, index int) flatbuffers.UOffsetT {
	in, out := integers(b, o.in), integers(b, o.out)
	d := operatorDefs[o.code]
	var options flatbuffers.UOffsetT
	if d.union != 0 {
		var vectors [8]flatbuffers.UOffsetT
		slots := 0
		for _, s := range d.slots {
			slots = max(slots, s.id+1)
			if s.vector != nil {
				vectors[s.id] = integers(b, *s.vector(&o.attributes))
			}
		}
		b.StartObject(slots)
		for _, s := range d.slots {
			switch {
			case s.vector != nil:
				b.PrependUOffsetTSlot(s.id, vectors[s.id], 0)
			case s.float != nil:
				b.PrependFloat32Slot(s.id, *s.float(&o.attributes), 0)
			case s.bytes == 1:
				b.PrependInt8Slot(s.id, int8(*s.number(&o.attributes)), int8(s.def))
			default:
				b.PrependInt32Slot(s.id, int32(*s.number(&o.attributes)), int32(s.def))
			}
		}
		options = b.EndObject()
	}
	b.StartObject(14)
	b.PrependUint32Slot(0, uint32(index), 0)
	b.PrependUOffsetTSlot(1, in, 0)
	b.PrependUOffsetTSlot(2, out, 0)
	b.PrependByteSlot(3, byte(d.union), 0)
	b.PrependUOffsetTSlot(4, options, 0)
	return b.EndObject()
}

func integers(b *flatbuffers.Builder, v []int) flatbuffers.UOffsetT {
	b.StartVector(4, len(v), 4)
	for i := len(v) - 1; i >= 0; i-- {
		b.PlaceInt32(int32(v[i]))
	}
	return b.EndVector(len(v))
}

func offsets(b *flatbuffers.Builder, v []flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	b.StartVector(4, len(v), 4)
	for i := len(v) - 1; i >= 0; i-- {
		b.PrependUOffsetT(v[i])
	}
	return b.EndVector(len(v))
}
