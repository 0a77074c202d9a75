package checkpoint

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"

	"github.com/goqat/goqat/safetensors"
)

const (
	formatName = "goqat-checkpoint/1"

	keyDigest   = "digest" // sorts before the others, so its place is fixed
	keyFormat   = "format"
	keyMeta     = "meta"
	keySequence = "sequence"
	keyStep     = "step"

	digestAt  = int64(8 + len(`{"__metadata__":{"digest":"`))
	digestLen = 2 * sha256.Size
)

var noDigest = strings.Repeat("0", digestLen)

// digester hashes a file that passes in order, with the digest's digits as
// zeros, and keeps those digits.
type digester struct {
	hash  hash.Hash
	at    int64
	found [digestLen]byte
}

func newDigester() *digester { return &digester{hash: sha256.New()} }

// Write takes the next bytes of the file. It never fails.
func (d *digester) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		// Up to the digest, inside it, or after it.
		part := len(p)
		if left := digestAt - d.at; left > 0 {
			part = int(min(int64(part), left))
		} else if left := digestAt + digestLen - d.at; left > 0 {
			part = int(min(int64(part), left))
			copy(d.found[d.at-digestAt:], p[:part])
			_, _ = io.WriteString(d.hash, noDigest[:part]) // hash.Hash does not fail
			d.at += int64(part)
			p = p[part:]
			continue
		}
		d.hash.Write(p[:part])
		d.at += int64(part)
		p = p[part:]
	}
	return n, nil
}

func (d *digester) sum() string { return hex.EncodeToString(d.hash.Sum(nil)) }

// check returns an error unless the whole file has passed with its own digest.
func (d *digester) check(size int64) error {
	if d.at != size || string(d.found[:]) != d.sum() {
		return fmt.Errorf("%w: digest does not match the content", ErrCorrupt)
	}
	return nil
}

// orderedReader hands what is read, in order and once, to a digester.
type orderedReader struct {
	r io.ReaderAt
	d *digester
}

func (o *orderedReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.r.ReadAt(p, off)
	if off == o.d.at {
		_, _ = o.d.Write(p[:n])
	} // a read out of order leaves the digester short, and check fails
	return n, err
}

// encode writes the state. The digest stands at the front, so the state is
// hashed first; hashing it again on the way out finds tensors that someone
// changed meanwhile.
func encode(w io.Writer, s *State, sequence int64) error {
	meta := map[string]string{
		keyDigest:   noDigest,
		keyFormat:   formatName,
		keySequence: strconv.FormatInt(sequence, 10),
		keyStep:     strconv.FormatInt(s.Step, 10),
	}
	if s.Meta != nil {
		meta[keyMeta] = string(s.Meta)
	}
	first := newDigester()
	if err := safetensors.Write(first, s.Tensors, meta); err != nil {
		return err
	}
	meta[keyDigest] = first.sum()
	second := newDigester()
	if err := safetensors.Write(io.MultiWriter(w, second), s.Tensors, meta); err != nil {
		return err
	}
	if second.check(first.at) != nil {
		return errors.New("checkpoint: the state was changed while it was saved")
	}
	return nil
}

// Decode reads one checkpoint file of size bytes and checks its digest. The
// error is [ErrCorrupt], [ErrVersion] or r's own.
func Decode(r io.ReaderAt, size int64) (*State, error) {
	s, _, err := decode(r, size)
	return s, err
}

func decode(r io.ReaderAt, size int64) (*State, head, error) {
	d := newDigester()
	f, err := safetensors.Read(&orderedReader{r, d}, size)
	if err != nil {
		return nil, head{}, corrupt(err)
	}
	if err := d.check(size); err != nil {
		return nil, head{}, err
	}
	h, err := parseHead(f.Metadata)
	if err != nil {
		return nil, head{}, err
	}
	s := &State{Step: h.step, Tensors: f.List()}
	if meta, ok := f.Metadata[keyMeta]; ok {
		if s.Meta = json.RawMessage(meta); !json.Valid(s.Meta) {
			return nil, head{}, fmt.Errorf("%w: meta is not JSON", ErrCorrupt)
		}
	}
	return s, h, nil
}

// head is what orders the generations.
type head struct{ step, sequence int64 }

// readHead reads and checks the header alone, without the digest.
func readHead(r io.ReaderAt, size int64) (head, error) {
	meta, err := safetensors.ReadMetadata(r, size)
	if err != nil {
		return head{}, corrupt(err)
	}
	return parseHead(meta)
}

func parseHead(meta map[string]string) (head, error) {
	if _, ok := meta[keyDigest]; !ok {
		return head{}, fmt.Errorf("%w: no digest", ErrCorrupt)
	}
	if f := meta[keyFormat]; f != formatName {
		return head{}, fmt.Errorf("%w %q, want %q", ErrVersion, f, formatName)
	}
	number := func(key string, low int64) (int64, error) {
		v, err := strconv.ParseInt(meta[key], 10, 64)
		// The bound leaves room to count on.
		if err != nil || v < low || v > 1<<62 || strconv.FormatInt(v, 10) != meta[key] {
			return 0, fmt.Errorf("%w: %s is %q", ErrCorrupt, key, meta[key])
		}
		return v, nil
	}
	step, err := number(keyStep, 0)
	if err != nil {
		return head{}, err
	}
	sequence, err := number(keySequence, 1)
	if err != nil {
		return head{}, err
	}
	return head{step, sequence}, nil
}

// corrupt marks the errors that the bytes caused, and leaves those of reading.
func corrupt(err error) error {
	var format *safetensors.FormatError
	var unsupported *safetensors.UnsupportedError
	if errors.As(err, &format) || errors.As(err, &unsupported) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// verify checks the digest without keeping the tensors.
func verify(ctx context.Context, r io.ReaderAt, size int64) error {
	d := newDigester()
	buf := make([]byte, min(size, 256<<10))
	for d.at < size {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := buf[:min(size-d.at, int64(len(buf)))]
		n, err := r.ReadAt(p, d.at)
		_, _ = d.Write(p[:n])
		if n < len(p) {
			if errors.Is(err, io.EOF) {
				break // shorter than it was: check finds it
			}
			return err
		}
	}
	return d.check(size)
}
