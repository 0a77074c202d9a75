package data

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	_ "image/jpeg" // decoder
	_ "image/png"  // decoder
	"os"
	"slices"

	"github.com/goqat/goqat/tensor"
)

const (
	// maxImagePixels bounds what one compressed image may unpack to.
	maxImagePixels = 1 << 25
	maxImageSide   = 1 << 15
	// maxImagesInMemory is the size up to which decoded images are kept.
	maxImagesInMemory = 1 << 30
	// statsImages is how many images of a set on disk are measured.
	statsImages = 1024
)

var imageExts = []string{".png", ".jpg", ".jpeg"}

// imageFiles is a data set of images that are decoded when asked for.
type imageFiles struct {
	pixels
	files []labelled
}

func (d *imageFiles) Len() int { return len(d.files) }

func (d *imageFiles) Sample(i int, x []float32) (int32, error) {
	if err := d.checkSample(i, len(d.files), x); err != nil {
		return 0, err
	}
	pix := make([]uint8, len(x))
	if err := readImage(d.files[i].path, d.shape, pix); err != nil {
		return 0, err
	}
	d.values(pix, x)
	return d.files[i].class, nil
}

// measure returns mean and deviation over some images, evenly chosen.
func (d *imageFiles) measure(ctx context.Context) (mean, std []float32, err error) {
	n := min(len(d.files), statsImages)
	m := newMoments(d.shape.Last())
	pix := make([]uint8, d.shape.Numel())
	for k := range n {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		if err := readImage(d.files[k*len(d.files)/n].path, d.shape, pix); err != nil {
			return nil, nil, err
		}
		m.add(pix)
	}
	mean, std = m.result()
	return mean, std, nil
}

// load decodes all images into memory.
func (d *imageFiles) load(ctx context.Context) (*pixels, error) {
	n := d.shape.Numel()
	pix, labels := make([]uint8, n*len(d.files)), make([]int32, len(d.files))
	err := parallel(ctx, len(d.files), func(_, i int) error {
		labels[i] = d.files[i].class
		return readImage(d.files[i].path, d.shape, pix[i*n:(i+1)*n])
	})
	if err != nil {
		return nil, err
	}
	return newPixels(d.meta, pix, labels), nil
}

// openImages opens a folder with one folder a class of PNG or JPEG files. Images
// become squares of one size: averaged over areas when that makes them smaller,
// bilinear otherwise.
func openImages(ctx context.Context, dir string, opt *Options) (*Splits, error) {
	c, err := scan(dir, imageExts, false, opt)
	if err != nil {
		return nil, err
	}
	c.train = limitFiles(c.train, opt.MaxSamples, derive(opt.Seed, 1))
	c.val = limitFiles(c.val, opt.MaxSamples, derive(opt.Seed, 2))
	opt.progress("reading %d images of %s", len(c.train)+len(c.val), dir)
	shape, err := imageShape(ctx, c, opt)
	if err != nil {
		return nil, openError(dir, err)
	}
	m := meta{shape, len(c.names), c.names}
	train := &imageFiles{pixels: *newPixels(m, nil, nil), files: c.train}
	val := &imageFiles{pixels: *newPixels(m, nil, nil), files: c.val}
	if int64(len(c.train)+len(c.val))*int64(shape.Numel()) <= maxImagesInMemory {
		a, err := train.load(ctx)
		if err != nil {
			return nil, openError(dir, err)
		}
		b, err := val.load(ctx)
		if err != nil {
			return nil, openError(dir, err)
		}
		return splitTwo(a, b, opt), nil
	}
	s := &Splits{Train: train, Val: val}
	if opt.Normalize {
		if s.Mean, s.Std, err = train.measure(ctx); err != nil {
			return nil, openError(dir, err)
		}
		train.normalize(s.Mean, s.Std)
		val.normalize(s.Mean, s.Std)
	}
	return s, nil
}

// openError names the data set when the context ended; other errors name a file.
func openError(path string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("data: opening %s: %w", path, err)
	}
	return err
}

// imageShape reads the header of each image and returns the shape that all get.
func imageShape(ctx context.Context, c *collection, opt *Options) (tensor.Shape, error) {
	files := slices.Concat(c.train, c.val)
	configs := make([]image.Config, len(files))
	err := parallel(ctx, len(files), func(_, i int) (err error) {
		configs[i], err = imageConfig(files[i].path)
		return err
	})
	if err != nil {
		return nil, err
	}
	side, channels := opt.Size, 1
	first := configs[0]
	alike := first.Width == first.Height && first.Width <= 96
	for _, cfg := range configs {
		if cfg.Width != first.Width || cfg.Height != first.Height {
			alike = false
		}
		if !opt.Gray && cfg.ColorModel != color.GrayModel && cfg.ColorModel != color.Gray16Model {
			channels = 3
		}
	}
	if side == 0 {
		side = 32
		if alike {
			side = first.Width
		}
	}
	return tensor.Shape{side, side, channels}, nil
}

func imageConfig(path string) (image.Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return image.Config{}, fmt.Errorf("data: %w", err)
	}
	defer f.Close()
	cfg, _, err := image.DecodeConfig(f)
	if err != nil {
		return cfg, badData(path, "%w; remove or replace the file", err)
	}
	if cfg.Width < 1 || cfg.Height < 1 || cfg.Width > maxImageSide || cfg.Height > maxImageSide ||
		cfg.Width*cfg.Height > maxImagePixels {
		return cfg, badData(path, "an image of %d x %d; at most %d pixels are read", cfg.Width, cfg.Height, maxImagePixels)
	}
	return cfg, nil
}

// readImage decodes the image at path to pix, which has the given shape of one
// or three channels. Transparent pixels are black.
func readImage(path string, shape tensor.Shape, pix []uint8) error {
	if _, err := imageConfig(path); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		return badData(path, "%w; remove or replace the file", err)
	}
	b := img.Bounds()
	src := channelsOf(img, shape.Last())
	resize(pix, shape[1], shape[0], src, b.Dx(), b.Dy(), shape.Last())
	return nil
}

// channelsOf returns the image as [height, width, channels] bytes. Gray is the
// luma of image/color.
func channelsOf(img image.Image, channels int) []uint8 {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	out := make([]uint8, w*h*channels)
	if channels == 1 {
		g, ok := img.(*image.Gray)
		if !ok {
			g = image.NewGray(image.Rect(0, 0, w, h))
			draw.Draw(g, g.Rect, img, b.Min, draw.Src)
		}
		for y := range h {
			copy(out[y*w:(y+1)*w], g.Pix[y*g.Stride:])
		}
		return out
	}
	rgba, ok := img.(*image.RGBA)
	if !ok {
		rgba = image.NewRGBA(image.Rect(0, 0, w, h))
		draw.Draw(rgba, rgba.Rect, img, b.Min, draw.Src)
	}
	k := 0
	for y := range h {
		row := rgba.Pix[y*rgba.Stride:]
		for x := range w {
			k += copy(out[k:k+3], row[4*x:4*x+3])
		}
	}
	return out
}
