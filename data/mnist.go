package data

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// idxCollection is a published data set of four IDX files.
type idxCollection struct {
	name      string
	mirrors   []string // URLs of folders, in the order they are tried
	files     [4]published
	mean, std float32
	classes   []string
}

// published is a file as it was published: name without ".gz", and size and
// SHA-256 of the bytes that gunzip gives, since a gzip file can be made anew.
type published struct {
	name   string
	size   int64
	sha256 string
}

// Order of idxCollection.files.
const (
	trainImages = iota
	trainLabels
	testImages
	testLabels
)

var fashionMNIST = idxCollection{
	name:    "fashion-mnist",
	mirrors: []string{"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"},
	files: [4]published{
		{"train-images-idx3-ubyte", 47040016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
		{"train-labels-idx1-ubyte", 60008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
		{"t10k-images-idx3-ubyte", 7840016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
		{"t10k-labels-idx1-ubyte", 10008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"},
	},
	mean: 0.286, std: 0.353,
	classes: []string{
		"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
		"Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
	},
}

var mnist = idxCollection{
	name:    "mnist",
	mirrors: []string{"https://ossci-datasets.s3.amazonaws.com/mnist/"},
	files: [4]published{
		{"train-images-idx3-ubyte", 47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
		{"train-labels-idx1-ubyte", 60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"},
		{"t10k-images-idx3-ubyte", 7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
		{"t10k-labels-idx1-ubyte", 10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"},
	},
	mean: 0.1307, std: 0.3081,
	classes: digitNames(),
}

// find returns the path of a file in dir, gzipped or not, or "".
func (p published) find(dir string) (string, error) {
	// Some programs unpack to "train-images.idx3-ubyte".
	dotted := strings.Replace(p.name, "-idx", ".idx", 1)
	for _, name := range []string{p.name, p.name + ".gz", dotted, dotted + ".gz"} {
		path := filepath.Join(dir, name)
		switch _, err := os.Stat(path); {
		case err == nil:
			return path, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("data: %w", err)
		}
	}
	return "", nil
}

// open reads the four files from dir. Those that are not there are downloaded
// into it; a file that is there is read as it is, so that a data set of the same
// form can be put under the same names.
func (c *idxCollection) open(ctx context.Context, dir string, opt *Options) (*Splits, error) {
	var paths [4]string
	for i, f := range c.files {
		path, err := f.find(dir)
		if err != nil {
			return nil, err
		}
		if path == "" {
			if path, err = c.download(ctx, dir, f, opt); err != nil {
				return nil, err
			}
		}
		paths[i] = path
	}
	train, err := openImagesIDX(paths[trainImages], paths[trainLabels])
	if err != nil {
		return nil, err
	}
	val, err := openImagesIDX(paths[testImages], paths[testLabels])
	if err != nil {
		return nil, err
	}
	if !train.shape.Equal(val.shape) {
		return nil, badData(paths[testImages], "images of %v, but %v in %s", val.shape, train.shape, paths[trainImages])
	}
	if train.shape.Last() != 1 {
		return nil, badData(paths[trainImages], "images of %v; %s has one channel, open others with idx:IMAGES,LABELS", train.shape, c.name)
	}
	for i, p := range []*pixels{train, val} {
		if p.classes > len(c.classes) {
			return nil, badData(paths[trainLabels+2*i], "label %d, but %s has %d classes; open other data with idx:IMAGES,LABELS",
				p.classes-1, c.name, len(c.classes))
		}
		p.classes, p.names = len(c.classes), c.classes
	}
	s := &Splits{Train: train, Val: val}
	s.fixed(opt, c.mean, c.std)
	return s, nil
}
