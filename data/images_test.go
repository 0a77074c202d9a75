package data

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/tensor"
)

func solid(w, h int, c color.Color) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, c)
		}
	}
	return img
}

func saveImage(t *testing.T, img image.Image, elem ...string) {
	t.Helper()
	path := filepath.Join(elem...)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	var b bytes.Buffer
	if filepath.Ext(path) == ".png" {
		require.NoError(t, png.Encode(&b, img))
	} else {
		require.NoError(t, jpeg.Encode(&b, img, &jpeg.Options{Quality: 100}))
	}
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
}

func TestOpenImages(t *testing.T) {
	dir := t.TempDir()
	red, blue := color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 0, 255, 255}
	for i := range 5 {
		name := string(rune('a' + i))
		saveImage(t, solid(40+i, 30, red), dir, "red", name+".png")
		saveImage(t, solid(20, 50+i, blue), dir, "blue", name+".JPG")
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "red", "notes.txt"), []byte("x"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".cache"), 0o700))

	s, err := Open(t.Context(), "images:"+dir, Options{ValFraction: 0.4})
	require.NoError(t, err)
	assert.Equal(t, tensor.Shape{32, 32, 3}, s.Train.Shape())
	assert.Equal(t, []string{"blue", "red"}, s.Train.ClassNames())
	assert.Equal(t, 6, s.Train.Len())
	assert.Equal(t, 4, s.Val.Len())
	x, y := all(t, s.Val)
	for i, l := range y {
		px := x[i*32*32*3:][:3]
		want := [][]float32{{0, 0, 1}, {1, 0, 0}}[l]
		assert.InDeltaSlice(t, want, px, 0.01)
	}

	s, err = Open(t.Context(), "images:"+dir, Options{Gray: true, Size: 8, MaxSamples: 2, Normalize: true})
	require.NoError(t, err)
	assert.Equal(t, tensor.Shape{8, 8, 1}, s.Train.Shape())
	assert.Equal(t, 2, s.Train.Len())
	assert.Len(t, s.Mean, 1)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = openImages(ctx, dir, &Options{ValFraction: 0.1})
	require.ErrorIs(t, err, context.Canceled)
}

func TestImagesOwnSizeAndParts(t *testing.T) {
	dir := t.TempDir()
	for i, part := range []string{"train", "val"} {
		for k, class := range []string{"x", "y"} {
			g := image.NewGray(image.Rect(0, 0, 12, 12))
			for j := range g.Pix {
				g.Pix[j] = uint8(100*k + 10*i)
			}
			saveImage(t, g, dir, part, class, "1.png")
		}
	}
	s, err := Open(t.Context(), "images:"+dir, Options{})
	require.NoError(t, err)
	assert.Equal(t, tensor.Shape{12, 12, 1}, s.Train.Shape(), "alike and small: the size stays, gray stays gray")
	x, y := all(t, s.Val)
	assert.Equal(t, []int32{0, 1}, y)
	assert.Equal(t, float32(10)/255, x[0])
	assert.Equal(t, float32(110)/255, x[144])

	require.NoError(t, os.Mkdir(filepath.Join(dir, "val", "z"), 0o700))
	_, err = Open(t.Context(), "images:"+dir, Options{})
	checkOneLine(t, err, ErrData, "val", "its classes")
}

// TestImagesOnDisk: a set too large for memory gives the same samples.
func TestImagesOnDisk(t *testing.T) {
	dir := t.TempDir()
	var files []labelled
	for i := range 4 {
		img := image.NewNRGBA(image.Rect(0, 0, 9, 7))
		for j := range img.Pix {
			img.Pix[j] = uint8(j*j + i)
		}
		saveImage(t, img, dir, string(rune('a'+i))+".png")
		files = append(files, labelled{filepath.Join(dir, string(rune('a'+i))+".png"), int32(i)})
	}
	m := meta{tensor.Shape{5, 5, 3}, 4, nil}
	disk := &imageFiles{pixels: *newPixels(m, nil, nil), files: files}
	memory, err := disk.load(t.Context())
	require.NoError(t, err)
	mean, std, err := disk.measure(t.Context())
	require.NoError(t, err)
	m2, s2 := memory.stats([]int32{0, 1, 2, 3})
	assert.Equal(t, m2, mean)
	assert.Equal(t, s2, std)
	disk.normalize(mean, std)
	memory.normalize(mean, std)
	a, la := all(t, disk)
	b, lb := all(t, memory)
	assert.Equal(t, b, a)
	assert.Equal(t, lb, la)
	require.NoError(t, os.Remove(files[2].path))
	_, err = disk.Sample(2, make([]float32, 75))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = disk.Sample(4, make([]float32, 75))
	require.Error(t, err)
}

func TestImagesRefused(t *testing.T) {
	dir := t.TempDir()
	open := func() error {
		_, err := Open(t.Context(), "images:"+dir, Options{})
		return err
	}
	checkOneLine(t, open(), ErrData, dir, "one folder a class")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "cat"), 0o700))
	checkOneLine(t, open(), ErrData, "cat", "no .png")
	saveImage(t, solid(4, 4, color.White), dir, "cat", "1.png")
	checkOneLine(t, open(), ErrData, "cannot be divided")
	saveImage(t, solid(4, 4, color.White), dir, "cat", "2.png")
	require.NoError(t, open())

	bad := filepath.Join(dir, "cat", "3.png")
	require.NoError(t, os.WriteFile(bad, []byte("not an image"), 0o600))
	checkOneLine(t, open(), ErrData, bad, "remove or replace")

	// A PNG of 70 bytes that declares 2^31 pixels.
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, solid(1, 1, color.White)))
	p := b.Bytes()
	binary.BigEndian.PutUint32(p[16:], 1<<16)
	binary.BigEndian.PutUint32(p[20:], 1<<15)
	binary.BigEndian.PutUint32(p[29:], crc32.ChecksumIEEE(p[12:29]))
	require.NoError(t, os.WriteFile(bad, p, 0o600))
	checkOneLine(t, open(), ErrData, bad, "65536 x 32768")

	// A good header and no pixels.
	b.Reset()
	require.NoError(t, png.Encode(&b, solid(9, 9, color.White)))
	require.NoError(t, os.WriteFile(bad, b.Bytes()[:40], 0o600))
	checkOneLine(t, open(), ErrData, bad)
}

func TestResize(t *testing.T) {
	// Down: the exact mean of areas.
	src := []uint8{0, 10, 20, 30, 40, 50} // 3 wide, 2 high
	dst := make([]uint8, 1)
	resize(dst, 1, 1, src, 3, 2, 1)
	assert.Equal(t, []uint8{25}, dst)
	dst = make([]uint8, 2)
	resize(dst, 2, 1, src, 3, 2, 1) // columns 0 and half of 1; half of 1 and 2
	assert.Equal(t, []uint8{18, 32}, dst)
	// Up: linear between centres, flat outside.
	dst = make([]uint8, 4)
	resize(dst, 4, 1, []uint8{0, 100}, 2, 1, 1)
	assert.Equal(t, []uint8{0, 25, 75, 100}, dst)
	// The same size is a copy.
	dst = make([]uint8, 6)
	resize(dst, 3, 2, src, 3, 2, 1)
	assert.Equal(t, src, dst)
}

// TestResizeProperties: constants stay, and weights add up, for all sizes.
func TestResizeProperties(t *testing.T) {
	for in := 1; in <= 20; in++ {
		for out := 1; out <= 20; out++ {
			taps := newTaps(in, out)
			for i, w := range taps.weight {
				var sum uint32
				for _, v := range w {
					sum += v
				}
				require.Equal(t, taps.total, sum, "%d to %d, output %d", in, out, i)
				require.True(t, taps.start[i] >= 0 && taps.start[i]+len(w) <= in)
			}
			src, dst := bytes.Repeat([]byte{200, 7}, in*3), make([]uint8, out*5*2)
			resize(dst, out, 5, src, in, 3, 2)
			require.Equal(t, bytes.Repeat([]byte{200, 7}, out*5), dst)
		}
	}
}
