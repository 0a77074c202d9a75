// Package data opens the data sets that goqat trains and measures on, and loads
// them in batches.
//
// [Open] takes the specification that a user types: "digits" (drawn by this
// package, needs no file), "fashion-mnist:DIR", "mnist:DIR",
// "idx:IMAGES,LABELS", "npz:FILE", "csv:FILE", "images:DIR", "wav:DIR" or
// "text:FILE". [NewLoader] makes shuffled, augmented batches of a [Dataset] in
// the background; what it delivers depends on its options alone, never on the
// number of workers, and it can continue from any step.
//
// Every reader checks each number of a header against what is left of the file
// before it allocates anything.
package data

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/goqat/goqat/tensor"
)

// Dataset is a fixed list of samples. Its methods may be called from several
// goroutines, and sample i is always the same.
type Dataset interface {
	// Len returns the number of samples.
	Len() int
	// Shape returns the shape of one sample, channels last.
	Shape() tensor.Shape
	// Classes returns the number of classes; 0 means that there are no labels
	// and the target is the sample itself, as for an autoencoder.
	Classes() int
	// ClassNames returns the name of each class, or nil.
	ClassNames() []string
	// Sample writes sample i to x, which has as many elements as Shape, and
	// returns its class.
	Sample(i int, x []float32) (label int32, err error)
}

// Splits is an opened data set.
type Splits struct {
	// Name is the specification without its path, such as "mnist".
	Name string
	// Train and Val have the same shape and classes and no sample in common.
	Train, Val Dataset
	// Mean and Std are what was subtracted and divided by, one value for each
	// element of the last dimension; nil when nothing was.
	Mean, Std []float32
}

// Options says how to open a data set. The zero value is usable.
type Options struct {
	// Seed chooses the validation part and the subset of MaxSamples.
	Seed uint64
	// ValFraction is the part held out for validation where the data set does
	// not have a part of its own for that: in (0, 1), 0 meaning 0.1. Each class
	// gives the same fraction.
	ValFraction float64
	// Normalize gives mean 0 and deviation 1 over the training part for each
	// element of the last dimension; digits, mnist and fashion-mnist use their
	// customary constants. Without it images are in [0, 1] and arrays as stored.
	Normalize bool
	// MaxSamples bounds both parts; 0 is no bound. The subset is random.
	MaxSamples int
	// Size is the side of the squares that images are resized to. 0 keeps the
	// size when all are alike and at most 96 by 96, and is 32 otherwise.
	Size int
	// Gray turns color images into one channel.
	Gray bool
	// Window is the number of bytes of a text sample, 0 meaning 64.
	Window int
	// Mel describes the spectrogram of sounds.
	Mel Mel
	// Offline never downloads.
	Offline bool
	// Progress, if set, is told in one line what takes long.
	Progress func(string)
}

// MaxClasses is the largest number of classes that labels may name.
const MaxClasses = 65536

var (
	// ErrSpec is wrapped when a specification or an option is wrong: a mistake
	// of usage, not of the data.
	ErrSpec = errors.New("wrong data set")
	// ErrData is wrapped when a file is not what it should be.
	ErrData = errors.New("bad data")
)

// Specs lists the forms that [Open] takes.
func Specs() []string {
	return []string{
		"digits", "fashion-mnist:DIR", "mnist:DIR", "idx:IMAGES,LABELS", "npz:FILE",
		"csv:FILE", "images:DIR", "wav:DIR", "text:FILE",
	}
}

type openFunc func(ctx context.Context, arg string, opt *Options) (*Splits, error)

func opener(name string) openFunc {
	switch name {
	case "digits":
		return openDigits
	case "fashion-mnist":
		return fashionMNIST.open
	case "mnist":
		return mnist.open
	case "idx":
		return openIDX
	case "npz":
		return openNPZ
	case "csv":
		return openCSV
	case "images":
		return openImages
	case "wav":
		return openWAV
	case "text":
		return openText
	}
	return nil
}

// Open opens the data set that spec names. Errors wrap [ErrSpec] when the
// specification is wrong and [ErrData] when a file is; both name the file and
// what to do. Open stops with the error of ctx when ctx ends.
func Open(ctx context.Context, spec string, opt Options) (*Splits, error) {
	if err := opt.check(); err != nil {
		return nil, err
	}
	name, arg, _ := strings.Cut(spec, ":")
	open := opener(name)
	if open == nil {
		return nil, fmt.Errorf("data: %w %q: want one of %s", ErrSpec, spec, strings.Join(Specs(), ", "))
	}
	if (name == "digits") != (arg == "") {
		return nil, fmt.Errorf("data: %w %q: write it as in %s", ErrSpec, spec, formOf(name))
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("data: opening %s: %w", spec, err)
	}
	s, err := open(ctx, arg, &opt)
	if err != nil {
		return nil, err
	}
	s.Name = name
	if s.Train, err = limit(s.Train, opt.MaxSamples, derive(opt.Seed, 1)); err != nil {
		return nil, err
	}
	if s.Val, err = limit(s.Val, opt.MaxSamples, derive(opt.Seed, 2)); err != nil {
		return nil, err
	}
	return s, nil
}

func formOf(name string) string {
	for _, s := range Specs() {
		if n, _, _ := strings.Cut(s, ":"); n == name {
			return s
		}
	}
	return name
}

// check fills in defaults and returns the first option that is out of range.
func (o *Options) check() error {
	if o.ValFraction == 0 {
		o.ValFraction = 0.1
	}
	if o.Window == 0 {
		o.Window = 64
	}
	switch {
	case !(o.ValFraction > 0 && o.ValFraction < 1):
		return fmt.Errorf("data: %w: validation fraction %v is not between 0 and 1", ErrSpec, o.ValFraction)
	case o.MaxSamples < 0:
		return fmt.Errorf("data: %w: %d samples at most", ErrSpec, o.MaxSamples)
	case o.Size < 0 || o.Size > 1024:
		return fmt.Errorf("data: %w: image side %d is not between 1 and 1024", ErrSpec, o.Size)
	case o.Window < 1 || o.Window > 1<<16:
		return fmt.Errorf("data: %w: text window %d is not between 1 and 65536", ErrSpec, o.Window)
	}
	return o.Mel.check()
}

func (o *Options) progress(format string, a ...any) {
	if o.Progress != nil {
		o.Progress(fmt.Sprintf(format, a...))
	}
}

// badData returns an [ErrData] about a file: what is wrong and what to do.
func badData(file, format string, a ...any) error {
	return fmt.Errorf("data: %w: %s: %w", ErrData, file, fmt.Errorf(format, a...))
}
