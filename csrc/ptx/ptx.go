// Package ptx holds the kernels of csrc/*.cu as PTX, which drivers compile for
// their device when it is loaded. make cuda writes the files.
package ptx

import (
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
)

//go:embed *.ptx.gz
var files embed.FS

// ErrCapability says that a device is too old for a kernel.
var ErrCapability = errors.New("ptx: compute capability too low")

// ErrUnknown says that there is no kernel file of a name.
var ErrUnknown = errors.New("ptx: no such kernel file")

// Target is what a PTX file was compiled for: the least compute capability, as
// 75 for 7.5, or with Exact the only one (sm_90a).
type Target struct {
	Capability int
	Exact      bool
}

// String returns the form "sm_75" or "sm_90a".
func (t Target) String() string {
	if t.Exact {
		return fmt.Sprintf("sm_%da", t.Capability)
	}
	return fmt.Sprintf("sm_%d", t.Capability)
}

// Runs reports whether a device of this capability can run code for t.
func (t Target) Runs(capability int) bool {
	return capability == t.Capability || !t.Exact && capability > t.Capability
}

// Names returns the kernel files in order, such as "fake_quant" for
// csrc/fake_quant.cu.
func Names() []string {
	var names []string
	for _, f := range list() {
		stem, _, _ := strings.Cut(f, ".")
		names = append(names, stem)
	}
	return slices.Compact(names)
}

// Targets returns what a kernel file was compiled for, lowest first; nil when
// there is none of this name.
func Targets(name string) []Target {
	var ts []Target
	for _, f := range list() {
		if stem, rest, _ := strings.Cut(f, "."); stem == name {
			ts = append(ts, parse(strings.TrimSuffix(rest, ".ptx.gz")))
		}
	}
	slices.SortFunc(ts, func(a, b Target) int { return a.Capability - b.Capability })
	return ts
}

// Load returns the PTX of a kernel file for a device, that of the highest
// target which the device runs. It fails with [ErrUnknown] when there is no
// such file and with [ErrCapability] when the device is too old.
func Load(name string, capability int) (text string, t Target, err error) {
	ts := Targets(name)
	if len(ts) == 0 {
		return "", Target{}, fmt.Errorf("%w: %s", ErrUnknown, name)
	}
	for i := len(ts) - 1; i >= 0; i-- {
		if !ts[i].Runs(capability) {
			continue
		}
		text, err := read(name + "." + strings.TrimPrefix(ts[i].String(), "sm_") + ".ptx.gz")
		return text, ts[i], err
	}
	return "", Target{}, fmt.Errorf("%w: %s needs %v, the device has %d.%d", ErrCapability, name, ts[0], capability/10, capability%10)
}

// Kernels returns the names of the kernels in a PTX text, in its order.
func Kernels(text string) []string {
	var names []string
	for {
		_, rest, found := strings.Cut(text, ".entry ")
		if !found {
			return names
		}
		name, _, _ := strings.Cut(rest, "(")
		names = append(names, strings.TrimSpace(name))
		text = rest
	}
}

func list() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, path.Base(e.Name()))
	}
	slices.Sort(names)
	return names
}

func parse(s string) Target {
	number, exact := strings.CutSuffix(s, "a")
	n, err := strconv.Atoi(number)
	if err != nil {
		return Target{}
	}
	return Target{n, exact}
}

func read(file string) (string, error) {
	f, err := files.Open(file)
	if err != nil {
		return "", fmt.Errorf("ptx: %w", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return "", fmt.Errorf("ptx: %s: %w", file, err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		return "", fmt.Errorf("ptx: %s: %w", file, err)
	}
	return string(b), nil
}
