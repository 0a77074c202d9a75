package tensorcore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/goqat/goqat/safetensors"
	"github.com/goqat/goqat/tensor"
)

// The file:
//
//	0   8   "GOQATPRG"
//	8   4   version of the format, little endian: 1
//	12  4   0
//	16  8   bytes of the payload, little endian
//	24  n   payload: a safetensors file
//	24+n 32 SHA-256 of everything before
//
// The payload's metadata has under "program" the JSON of [program], its
// tensors are the constants by their names there.
const (
	magic         = "GOQATPRG"
	formatVersion = 1
	headerBytes   = 24
	programKey    = "program"
)

// FormatError reports bytes that are no ".goqat" file or break its rules.
type FormatError struct {
	Reason string
}

// Error returns the reason.
func (e *FormatError) Error() string { return "tensorcore: " + e.Reason }

func formatError(format string, args ...any) error {
	return &FormatError{fmt.Sprintf(format, args...)}
}

// seal puts a program and its tensors into a file.
func seal(p *program, tensors []safetensors.Named) ([]byte, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("tensorcore: program: %w", err)
	}
	var payload bytes.Buffer
	if err := safetensors.Write(&payload, tensors, map[string]string{programKey: string(text)}); err != nil {
		return nil, fmt.Errorf("tensorcore: %w", err)
	}
	b := make([]byte, 0, headerBytes+payload.Len()+sha256.Size)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(payload.Len()))
	b = append(b, payload.Bytes()...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...), nil
}

// unseal checks a file and returns its program and tensors.
func unseal(b []byte) (*program, map[string]*tensor.Tensor, error) {
	if len(b) < headerBytes+sha256.Size || string(b[:8]) != magic {
		return nil, nil, formatError("no program of goqat: the header is missing")
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != formatVersion {
		return nil, nil, formatError("format version %d, this program reads %d", v, formatVersion)
	}
	n := binary.LittleEndian.Uint64(b[16:])
	if binary.LittleEndian.Uint32(b[12:]) != 0 || n != uint64(len(b)-headerBytes-sha256.Size) {
		return nil, nil, formatError("the header says %d bytes of payload, the file has %d", n, len(b)-headerBytes-sha256.Size)
	}
	end := len(b) - sha256.Size
	if sum := sha256.Sum256(b[:end]); !bytes.Equal(sum[:], b[end:]) {
		return nil, nil, formatError("the file is damaged: its SHA-256 is %x", sum)
	}
	payload := b[headerBytes:end]
	f, err := safetensors.Read(bytes.NewReader(payload), int64(len(payload)))
	if err != nil {
		return nil, nil, fmt.Errorf("tensorcore: %w", err)
	}
	p := &program{}
	d := json.NewDecoder(bytes.NewReader([]byte(f.Metadata[programKey])))
	d.DisallowUnknownFields()
	if err := d.Decode(p); err != nil {
		return nil, nil, formatError("program: %v", err)
	}
	if d.More() {
		return nil, nil, formatError("program: data after its end")
	}
	return p, f.Tensors, nil
}
