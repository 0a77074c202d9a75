//go:build cuda

package gpu

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/csrc/ptx"
	"github.com/goqat/goqat/cuda"
)

// modules loads the code of kernels when it is first needed: for each file of
// csrc the PTX of the latest target that the device has, or, where a folder
// named by GOQAT_CUBINS has one for the device, its cubin.
type modules struct {
	c      *cuda.Context
	arch   int
	best   map[string]ptx.Target // by stem
	cubins string

	mu      sync.Mutex
	loaded  map[string]*module
	digests map[string]string // By stems.
}

type module struct {
	m      *cuda.Module
	params map[string][]int
	funcs  map[string]cuda.Function
	cubin  bool
}

func (m *modules) init(c *cuda.Context) {
	m.c, m.arch = c, c.Device().Arch()
	m.best, m.loaded, m.digests = map[string]ptx.Target{}, map[string]*module{}, map[string]string{}
	for _, n := range ptx.Names() {
		for _, t := range ptx.Targets(n) {
			if t.Runs(m.arch) {
				m.best[n] = t
			}
		}
	}
	m.cubins = os.Getenv("GOQAT_CUBINS")
}

// has reports whether there is code of a kernel file for the device.
func (m *modules) has(stem string) bool { _, ok := m.best[stem]; return ok }

// probe loads one module.
func (m *modules) probe() error {
	for _, stem := range ptx.Names() {
		if m.has(stem) {
			m.mu.Lock()
			defer m.mu.Unlock()
			_, err := m.load(stem)
			return err
		}
	}
	return fmt.Errorf("%w: no kernel is built for compute capability %d.%d", cuda.ErrDeviceTooOld, m.arch/10, m.arch%10)
}

// describe says which code the device runs.
func (m *modules) describe() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cubins != "" {
		return "kernels: cubins of " + m.cubins + ", else PTX compiled by the driver"
	}
	low, high := 0, 0
	for _, t := range m.best {
		if low == 0 || t.Capability < low {
			low = t.Capability
		}
		high = max(high, t.Capability)
	}
	s := fmt.Sprintf("kernels: %d files of PTX for sm_%d", len(m.best), high)
	if low != high {
		s += fmt.Sprintf(" down to sm_%d", low)
	}
	return s + ", compiled by the driver"
}

// function returns a kernel and the sizes of its parameters.
func (m *modules) function(stem, name string) (cuda.Function, []int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	mod, err := m.load(stem)
	if err != nil {
		return cuda.Function{}, nil, err
	}
	f, ok := mod.funcs[name]
	if !ok {
		if f, err = mod.m.Function(name); err != nil {
			return f, nil, fmt.Errorf("gpu: kernel %s of csrc/%s.cu: %w", name, stem, err)
		}
		mod.funcs[name] = f
	}
	return f, mod.params[name], nil
}

// load loads a module; m.mu is held.
func (m *modules) load(stem string) (*module, error) {
	if mod := m.loaded[stem]; mod != nil {
		return mod, nil
	}
	if !m.has(stem) {
		return nil, fmt.Errorf("gpu: csrc/%s.cu is not built for sm_%d: %w", stem, m.arch, backend.ErrUnsupported)
	}
	image, _, err := ptx.Load(stem, m.arch)
	if err != nil {
		return nil, fmt.Errorf("gpu: %w", err)
	}
	mod := &module{params: parameters(image), funcs: map[string]cuda.Function{}}
	if b := m.machineCode(stem); b != nil {
		image, mod.cubin = string(b), true
	}
	if mod.m, err = m.c.Load(image); err != nil {
		return nil, fmt.Errorf("gpu: kernels of csrc/%s.cu: %w", stem, err)
	}
	m.loaded[stem] = mod
	return mod, nil
}

// machineCode returns the cubin of a kernel file for the device, nil where there
// is none.
func (m *modules) machineCode(stem string) []byte {
	if m.cubins == "" {
		return nil
	}
	// Cubins are of one architecture, and Hopper's own instructions are in those
	// of its "a" variant.
	for _, suffix := range []string{"a", ""} {
		if b, err := os.ReadFile(filepath.Join(m.cubins, fmt.Sprintf("%s.sm_%d%s.cubin", stem, m.arch, suffix))); err == nil {
			return b
		}
	}
	return nil
}

// digest tells the code of kernel files from other code, in 16 hexadecimal
// digits. Files that the device has no code of count as that.
func (m *modules) digest(stems ...string) string {
	key := strings.Join(stems, " ")
	m.mu.Lock()
	defer m.mu.Unlock()
	if d := m.digests[key]; d != "" {
		return d
	}
	h := sha256.New()
	for _, s := range stems {
		var image string
		if m.has(s) {
			if b := m.machineCode(s); b != nil {
				image = string(b)
			} else {
				image, _, _ = ptx.Load(s, m.arch) // What cannot be read is no code.
			}
		}
		fmt.Fprintf(h, "%s %d\n%s", s, len(image), image)
	}
	d := hex.EncodeToString(h.Sum(nil)[:8])
	m.digests[key] = d
	return d
}

var (
	entry   = regexp.MustCompile(`\.entry\s+(\w+)\s*\(([^)]*)\)`)
	element = regexp.MustCompile(`\s\.[bsuf](8|16|32|64)\b`)
	extent  = regexp.MustCompile(`\[(\d+)\]`)
)

// parameters reads the sizes of each kernel's parameters from PTX.
func parameters(ptx string) map[string][]int {
	m := map[string][]int{}
	for _, e := range entry.FindAllStringSubmatch(ptx, -1) {
		sizes := []int{}
		for p := range strings.SplitSeq(e[2], ",") {
			t := element.FindStringSubmatch(p)
			if t == nil {
				continue
			}
			bits, n := 0, 1
			_, _ = fmt.Sscan(t[1], &bits)
			if x := extent.FindStringSubmatch(p); x != nil {
				_, _ = fmt.Sscan(x[1], &n)
			}
			sizes = append(sizes, bits/8*n)
		}
		m[e[1]] = sizes
	}
	return m
}

func (m *modules) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, mod := range m.loaded {
		_ = mod.m.Unload()
	}
	clear(m.loaded)
}
