package checkpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/internal/durable"
	"github.com/goqat/goqat/safetensors"
	"github.com/goqat/goqat/tensor"
)

// stateAt returns a state all of whose parts follow from step and id, with n
// float32 weights.
func stateAt(step, id int64, n int) *State {
	rng := rand.New(rand.NewPCG(uint64(step), uint64(id)))
	w := make([]float32, n)
	for i := range w {
		w[i] = rng.Float32()
	}
	codes := make([]int8, n/7)
	for i := range codes {
		codes[i] = int8(rng.IntN(256) - 128)
	}
	return &State{
		Step: step,
		Tensors: []Named{
			{Name: "conv.weight", Tensor: tensor.FromF32(w, n)},
			{Name: "codes", Tensor: tensor.FromI8(codes, len(codes))},
			{Name: "rng", Tensor: tensor.FromI64([]int64{rng.Int64(), id}, 2)},
			{Name: "masks", Tensor: tensor.FromU8([]uint8{1, 2}, 1, 2)},
			{Name: "count", Tensor: tensor.FromI32([]int32{int32(step)})},
		},
		Meta: json.RawMessage(fmt.Sprintf(`{"id": %d, "epoch":"é\n"}`, id)),
	}
}

func idOf(t testing.TB, s *State) int64 {
	t.Helper()
	var m struct{ ID int64 }
	require.NoError(t, json.Unmarshal(s.Meta, &m))
	return m.ID
}

// requireWhole fails unless s is the state that stateAt gives.
func requireWhole(t testing.TB, s *State, n int) {
	t.Helper()
	want := stateAt(s.Step, idOf(t, s), n)
	require.Equal(t, string(want.Meta), string(s.Meta))
	require.Len(t, s.Tensors, len(want.Tensors))
	for i, w := range want.Tensors {
		require.Equal(t, w.Name, s.Tensors[i].Name)
		require.True(t, w.Tensor.Spec().Equal(s.Tensors[i].Tensor.Spec()))
		require.True(t, bytes.Equal(w.Tensor.Bytes(), s.Tensors[i].Tensor.Bytes()), w.Name)
	}
}

func encoded(t testing.TB, s *State, sequence int64) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, encode(&b, s, sequence))
	return b.Bytes()
}

func ls(t testing.TB, fsys durable.FS, dir string) []string {
	t.Helper()
	names, err := fsys.ReadDir(dir)
	require.NoError(t, err)
	return names
}

// put writes a file straight, as damage or another program would.
func put(t testing.TB, fsys durable.FS, path string, b []byte) {
	t.Helper()
	if _, err := fsys.Stat(path); err == nil {
		require.NoError(t, fsys.Remove(path))
	}
	f, err := fsys.Create(path, 0o644)
	require.NoError(t, err)
	_, err = f.Write(b)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func get(t testing.TB, fsys durable.FS, path string) []byte {
	t.Helper()
	f, err := fsys.Open(path)
	require.NoError(t, err)
	info, err := f.Stat()
	require.NoError(t, err)
	b := make([]byte, info.Size())
	_, err = f.ReadAt(b, 0)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return b
}

func TestSaveAndLoadOnTheOS(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	_, err := Load(dir)
	require.ErrorIs(t, err, ErrNotFound)
	_, err = List(dir)
	require.ErrorIs(t, err, ErrNotFound)
	for step := int64(0); step < 5; step++ {
		require.NoError(t, Save(t.Context(), dir, stateAt(step, 0, 100)))
		s, err := Load(dir)
		require.NoError(t, err)
		require.Equal(t, step, s.Step)
		require.Empty(t, s.Warnings)
		requireWhole(t, s, 100)
		want := []string{fileName(step)}
		if step > 0 {
			want = []string{fileName(step - 1), fileName(step)}
		}
		require.Equal(t, want, ls(t, durable.OS{}, dir))
	}
	s, err := Load(dir)
	require.NoError(t, err)
	assert.Equal(t, []int32{4}, s.Tensor("count").I32())
	assert.Nil(t, s.Tensor("none"))
	list, err := List(dir)
	require.NoError(t, err)
	assert.Equal(t, []Generation{{Name: "ckpt-4.goqat", Step: 4, Sequence: 5}, {Name: "ckpt-3.goqat", Step: 3, Sequence: 4}}, list)
}

func TestModeIsKept(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, fileName(7))
	require.NoError(t, Save(t.Context(), dir, stateAt(7, 0, 10)))
	fresh, err := os.Stat(path)
	require.NoError(t, err)
	probe := filepath.Join(dir, "probe")
	require.NoError(t, os.WriteFile(probe, nil, 0o644)) //nolint:gosec // the default mode is what is tested
	want, err := os.Stat(probe)
	require.NoError(t, err)
	assert.Equal(t, want.Mode(), fresh.Mode())
	require.NoError(t, os.Chmod(path, 0o600))
	want, err = os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, Save(t.Context(), dir, stateAt(7, 1, 10)))
	again, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, want.Mode(), again.Mode())
}

func TestCheckpointIsASafetensorsFile(t *testing.T) {
	s := stateAt(9, 1, 50)
	b := encoded(t, s, 3)
	f, err := safetensors.Read(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	assert.Equal(t, "goqat-checkpoint/1", f.Metadata["format"])
	assert.Equal(t, "9", f.Metadata["step"])
	assert.Equal(t, "3", f.Metadata["sequence"])
	assert.Equal(t, string(s.Meta), f.Metadata["meta"])
	assert.EqualValues(t, 35, digestAt, "the package comment says so")
	assert.Equal(t, f.Metadata["digest"], string(b[35:99]))
}

func TestStateWithoutTensorsOrMeta(t *testing.T) {
	b := encoded(t, &State{}, 1)
	s, err := Decode(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	assert.Nil(t, s.Meta)
	assert.Empty(t, s.Tensors)
}

func TestSaveRefuses(t *testing.T) {
	mem := durable.NewCrashFS()
	one := tensor.FromU8([]uint8{1}, 1)
	for name, s := range map[string]*State{
		"negative step": {Step: -1},
		"no JSON":       {Meta: json.RawMessage(`{`)},
		"empty meta":    {Meta: json.RawMessage{}},
		"not UTF-8":     {Meta: json.RawMessage("\"\xff\"")},
		"name twice":    {Tensors: []Named{{Name: "a", Tensor: one}, {Name: "a", Tensor: one}}},
		"bits":          {Tensors: []Named{{Name: "a", Tensor: tensor.New(tensor.Of(tensor.B1, 3))}}},
		"nil tensor":    {Tensors: []Named{{Name: "a"}}},
	} {
		assert.Error(t, Save(t.Context(), "/d", s, WithFS(mem)), name)
	}
	_, err := Load("/d", WithFS(mem))
	require.ErrorIs(t, err, ErrNotFound)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, Save(ctx, "/d", stateAt(1, 0, 10), WithFS(mem)), context.Canceled)
	assert.Empty(t, ls(t, mem, "/d"))
}

// changing is a writer that changes the tensor it is given.
type changing struct{ t *tensor.Tensor }

func (c changing) Write(p []byte) (int, error) {
	c.t.Bytes()[0]++
	return len(p), nil
}

func TestStateChangedMeanwhileIsAnError(t *testing.T) {
	s := stateAt(1, 0, 10)
	require.ErrorContains(t, encode(changing{s.Tensors[1].Tensor}, s, 1), "changed")
}

func TestGoingBackToAnEarlierStep(t *testing.T) {
	mem := durable.NewCrashFS()
	for id, step := range []int64{10, 20, 15, 15, 16, 1} {
		require.NoError(t, Save(t.Context(), "d", stateAt(step, int64(id), 10), WithFS(mem)))
		s, err := Load("d", WithFS(mem))
		require.NoError(t, err)
		require.EqualValues(t, id, idOf(t, s), "the last save is the newest, whatever its step")
		want := [][]string{{"ckpt-10.goqat"}, {"ckpt-10.goqat", "ckpt-20.goqat"}, {"ckpt-15.goqat", "ckpt-20.goqat"}, {"ckpt-15.goqat", "ckpt-20.goqat"}, {"ckpt-15.goqat", "ckpt-16.goqat"}, {"ckpt-1.goqat", "ckpt-16.goqat"}}
		require.Equal(t, want[id], ls(t, mem, "d"))
	}
}

func TestSaveKeepsTwoWholeGenerations(t *testing.T) {
	mem := durable.NewCrashFS()
	require.NoError(t, mem.Mkdir("d", 0o755))
	other := encoded(t, stateAt(8, 0, 10), 8)
	for step := int64(1); step <= 6; step++ {
		put(t, mem, "d/"+fileName(step), encoded(t, stateAt(step, 0, 10), step))
	}
	broken := encoded(t, stateAt(6, 0, 10), 6)
	broken[len(broken)-1] ^= 1
	put(t, mem, "d/"+fileName(6), broken)
	put(t, mem, "d/"+fileName(7), []byte("rubbish"))
	put(t, mem, "d/"+fileName(99), other) // the name does not fit
	future := bytes.Replace(other, []byte("checkpoint/1"), []byte("checkpoint/2"), 1)
	d := newDigester()
	_, _ = d.Write(future)
	copy(future[digestAt:], d.sum())
	put(t, mem, "d/"+fileName(8), future)
	foreign := []string{"ckpt-.goqat", "ckpt-+1.goqat", "ckpt-01.goqat", "ckpt--1.goqat", "ckpt-1.goqat.bak", "ckpt-9223372036854775808.goqat", "notes.txt", ".notes.txt.1-2.tmp", ".ckpt-1.goqat.x.tmp"}
	for _, name := range foreign {
		put(t, mem, "d/"+name, []byte("mine"))
	}
	put(t, mem, "d/.ckpt-3.goqat.123-4.tmp", []byte("of a killed run"))

	s, err := Load("d", WithFS(mem))
	require.NoError(t, err)
	assert.EqualValues(t, 5, s.Step)
	require.Len(t, s.Warnings, 4)
	for i, want := range []string{"ckpt-6.goqat: checkpoint: corrupt", "ckpt-99.goqat: checkpoint: corrupt", "ckpt-8.goqat: checkpoint: unknown format", "ckpt-7.goqat: checkpoint: corrupt"} {
		assert.Contains(t, s.Warnings[i], want)
	}
	list, err := List("d", WithFS(mem))
	require.NoError(t, err)
	require.Len(t, list, 9)
	assert.Equal(t, Generation{Name: "ckpt-5.goqat", Step: 5, Sequence: 5}, list[0])
	assert.Error(t, list[5].Err)

	require.NoError(t, Save(t.Context(), "d", stateAt(70, 0, 10), WithFS(mem)))
	want := append([]string{"ckpt-5.goqat", "ckpt-70.goqat", "ckpt-8.goqat"}, foreign...)
	slices.Sort(want)
	assert.Equal(t, want, ls(t, mem, "d"))

	require.NoError(t, mem.Remove("d/"+fileName(5)))
	require.NoError(t, mem.Remove("d/"+fileName(70)))
	_, err = Load("d", WithFS(mem))
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorIs(t, err, ErrVersion)
}

// A flipped bit anywhere in the newest generation is found and reported, and
// the one before is loaded. This goes through Load; TestEveryBitFlip covers
// more bits faster.
func TestLoadFallsBack(t *testing.T) {
	mem := durable.NewCrashFS()
	for step := range int64(3) {
		require.NoError(t, Save(t.Context(), "d", stateAt(step, 0, 10), WithFS(mem)))
	}
	path := "d/" + fileName(2) // sequence 3, which one bit turns into 1
	good := get(t, mem, path)
	for bit := range 8 * len(good) {
		bad := slices.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		put(t, mem, path, bad)
		s, err := Load("d", WithFS(mem))
		require.NoError(t, err)
		require.EqualValues(t, 1, s.Step, "bit %d", bit)
		require.Len(t, s.Warnings, 1, "bit %d", bit)
		require.Contains(t, s.Warnings[0], "ckpt-2.goqat", "bit %d", bit)
		require.Contains(t, s.Warnings[0], ErrCorrupt.Error(), "bit %d", bit)
	}
	// Damage below the newest is reported too.
	put(t, mem, path, good)
	below := get(t, mem, "d/"+fileName(1))
	below[len(below)-1] ^= 1
	put(t, mem, "d/"+fileName(1), below)
	s, err := Load("d", WithFS(mem))
	require.NoError(t, err)
	require.EqualValues(t, 2, s.Step)
	require.Len(t, s.Warnings, 1)
}

// Every bit of the header and of the data's end, and one bit of every fourth
// byte in between, of a 64 KiB checkpoint; every bit with GOQAT_EVERY_BIT=1,
// which takes half a minute.
func TestEveryBitFlip(t *testing.T) {
	b := encoded(t, stateAt(123, 4, 15<<10), 17)
	require.Greater(t, len(b), 60<<10)
	every := os.Getenv("GOQAT_EVERY_BIT") != ""
	rng := rand.New(rand.NewPCG(1, 2))
	var bits []int
	for i := range b {
		switch {
		case every || i < 1024 || i >= len(b)-64:
			for k := range 8 {
				bits = append(bits, 8*i+k)
			}
		case i%4 == 0:
			bits = append(bits, 8*i+rng.IntN(8))
		}
	}
	const workers = 4
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			own := slices.Clone(b)
			for i := w; i < len(bits); i += workers {
				own[bits[i]/8] ^= 1 << (bits[i] % 8)
				// verify is what Load and Save go by; decode parses first, and
				// for the header must agree.
				if err := verify(context.Background(), bytes.NewReader(own), int64(len(own))); !errors.Is(err, ErrCorrupt) {
					t.Errorf("bit %d is not found: %v", bits[i], err)
				}
				if bits[i] < 8*1024 {
					if _, err := Decode(bytes.NewReader(own), int64(len(own))); !errors.Is(err, ErrCorrupt) {
						t.Errorf("bit %d is not found by Decode: %v", bits[i], err)
					}
				}
				own[bits[i]/8] ^= 1 << (bits[i] % 8)
			}
		})
	}
	wg.Wait()
	t.Logf("%d flips of %d bytes", len(bits), len(b))
}

func TestEveryTruncation(t *testing.T) {
	b := encoded(t, stateAt(123, 4, 15<<10), 17)
	refused := func(n int, size int) {
		if _, err := Decode(bytes.NewReader(b[:n]), int64(size)); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%d of %d bytes: %v", n, size, err)
		}
	}
	for n := range b {
		refused(n, n)
		if n%16 == 0 { // cut while it is read
			refused(n, len(b))
		}
	}
	long := append(slices.Clone(b), 0)
	_, err := Decode(bytes.NewReader(long), int64(len(long)))
	require.ErrorIs(t, err, ErrCorrupt)
}

func TestDigesterInAnyPieces(t *testing.T) {
	b := encoded(t, stateAt(1, 1, 64), 1)
	for _, n := range []int{1, 2, 7, 34, 35, 36, 63, 64, 65, 98, 99, 100, len(b)} {
		d := newDigester()
		for p := range slices.Chunk(b, n) {
			k, err := d.Write(p)
			require.NoError(t, err)
			require.Len(t, p, k)
		}
		require.NoError(t, d.check(int64(len(b))), "pieces of %d", n)
		require.ErrorIs(t, d.check(int64(len(b))+1), ErrCorrupt)
	}
}

func TestCraftedHeads(t *testing.T) {
	good := map[string]string{"digest": noDigest, "format": formatName, "sequence": "1", "step": "2"}
	for _, c := range []struct{ key, value string }{
		{"step", "-1"}, {"step", "+1"}, {"step", "01"}, {"step", ""}, {"step", "9223372036854775807"}, {"step", "1e3"},
		{"sequence", "0"}, {"sequence", "x"}, {"sequence", "9223372036854775807"}, {"meta", "{"},
	} {
		meta := map[string]string{}
		for k, v := range good {
			meta[k] = v
		}
		meta[c.key] = c.value
		_, err := Decode(sealed(t, meta))
		assert.ErrorIs(t, err, ErrCorrupt, "%v", c)
	}
	_, err := Decode(sealed(t, good))
	require.NoError(t, err)
	_, err = Decode(sealed(t, map[string]string{"digest": noDigest}))
	require.ErrorIs(t, err, ErrVersion)
	_, err = Decode(sealed(t, nil))
	require.ErrorIs(t, err, ErrCorrupt)
}

// sealed returns a file of that metadata with the right digest.
func sealed(t *testing.T, meta map[string]string) (*bytes.Reader, int64) {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, safetensors.Write(&b, nil, meta))
	seal(b.Bytes())
	return bytes.NewReader(b.Bytes()), int64(b.Len())
}

func seal(b []byte) {
	if int64(len(b)) < digestAt+digestLen {
		return
	}
	d := newDigester()
	_, _ = d.Write(b)
	copy(b[digestAt:], d.sum())
}

func TestConcurrentUse(t *testing.T) {
	root := t.TempDir()
	const savers, each = 6, 8
	shared := filepath.Join(root, "shared")
	require.NoError(t, Save(t.Context(), shared, stateAt(0, 0, 300)))
	var savings, loadings sync.WaitGroup
	done := make(chan struct{})
	for g := range savers {
		savings.Go(func() {
			own := filepath.Join(root, strconv.Itoa(g))
			for i := range each {
				id := int64(g*each + i + 1)
				assert.NoError(t, Save(t.Context(), shared, stateAt(id, id, 300)))
				assert.NoError(t, Save(t.Context(), own, stateAt(id, id, 300)))
				s, err := Load(own)
				if assert.NoError(t, err) {
					assert.Equal(t, id, s.Step)
				}
			}
		})
	}
	for range 2 {
		loadings.Go(func() {
			for {
				s, err := Load(shared)
				if !assert.NoError(t, err) {
					return
				}
				want := stateAt(s.Step, s.Step, 300)
				assert.Equal(t, want.Tensors[0].Tensor.Bytes(), s.Tensors[0].Tensor.Bytes())
				list, err := List(shared)
				assert.NoError(t, err)
				for _, g := range list {
					assert.NoError(t, g.Err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	savings.Wait()
	close(done)
	loadings.Wait()
	assert.Len(t, ls(t, durable.OS{}, shared), 2)
	assert.Empty(t, locks.dirs, "no lock is left behind")
}

func TestLockObeysTheContext(t *testing.T) {
	unlock, err := lock(t.Context(), "d")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, Save(ctx, "d", &State{}, WithFS(durable.NewCrashFS())), context.Canceled)
	unlock()
	assert.Empty(t, locks.dirs)
}

func TestUnusualDirectories(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, fileName(3)), 0o755))
	_, err := Load(dir)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorIs(t, err, durable.ErrNotRegular)
	require.ErrorIs(t, Save(t.Context(), dir, stateAt(3, 0, 1)), durable.ErrNotRegular)
	require.NoError(t, Save(t.Context(), dir, stateAt(4, 0, 1)))
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	var write *durable.WriteError
	require.ErrorAs(t, Save(t.Context(), file, stateAt(1, 0, 1)), &write)
	_, err = Load(file)
	require.Error(t, err)
	require.NotErrorIs(t, err, fs.ErrNotExist)
}

func FuzzLoad(f *testing.F) {
	small := encoded(f, stateAt(3, 1, 8), 2)
	f.Add(small)
	f.Add(encoded(f, &State{}, 1))
	f.Add(small[:len(small)/2])
	f.Add([]byte(strings.Replace(string(small), `"step":"3"`, `"step":"4"`, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		mem := durable.NewCrashFS()
		require.NoError(t, mem.Mkdir("d", 0o755))
		for range 2 { // as it is, then with the digest made right
			put(t, mem, "d/"+fileName(3), b)
			s, err := Load("d", WithFS(mem))
			if err == nil {
				again, err := Decode(bytes.NewReader(b), int64(len(b)))
				require.NoError(t, err)
				require.Equal(t, s.Step, again.Step)
				once := encoded(t, s, 1)
				twice, err := Decode(bytes.NewReader(once), int64(len(once)))
				require.NoError(t, err)
				require.Equal(t, once, encoded(t, twice, 1))
			} else if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("error %v", err)
			}
			b = slices.Clone(b)
			seal(b)
		}
	})
}
