package isa

import (
	"slices"
	"sync/atomic"
)

// Family is the kernels of one kind, K, one for each instruction set that has
// one. Use [NewFamily]; methods may be called from several goroutines.
type Family[K any] struct {
	name    string
	entries []*entry[K] // ascending, the portable one first
	chosen  atomic.Pointer[entry[K]]
}

type entry[K any] struct {
	set    Set
	kernel K
}

// NewFamily returns the family called name with its kernel in Go. The name is
// what users see, such as "int8 product"; it exists once.
func NewFamily[K any](name string, portable K) *Family[K] {
	f := &Family[K]{name: name, entries: []*entry[K]{{Portable, portable}}}
	mu.Lock()
	defer mu.Unlock()
	for _, g := range families {
		if g.familyName() == name {
			panic("isa: two families are called " + name)
		}
	}
	families = append(families, f)
	return f
}

// Add adds the kernel of an instruction set; call it from init.
func (f *Family[K]) Add(s Set, kernel K) {
	mu.Lock()
	defer mu.Unlock()
	i, found := slices.BinarySearchFunc(f.entries, s, func(e *entry[K], s Set) int { return int(e.set) - int(s) })
	if found {
		panic("isa: two kernels of " + f.name + " for " + s.String())
	}
	f.entries = slices.Insert(f.entries, i, &entry[K]{s, kernel})
	f.chosen.Store(nil)
}

// Kernel returns the kernel in use. It is so short that calls are inlined.
func (f *Family[K]) Kernel() K {
	if e := f.chosen.Load(); e != nil {
		return e.kernel
	}
	return f.choose().kernel
}

// Set returns the instruction set in use.
func (f *Family[K]) Set() Set { return f.choose().set }

// Sets returns the instruction sets that have a kernel and that the machine
// can run, whatever SetMax says, the worst first.
func (f *Family[K]) Sets() []Set {
	mu.Lock()
	entries := slices.Clone(f.entries)
	mu.Unlock()
	var out []Set
	for _, e := range entries {
		if e.set.Missing() == nil {
			out = append(out, e.set)
		}
	}
	return out
}

// choose looks from the best entry down, so that what no kernel needs is not
// asked of the system.
func (f *Family[K]) choose() *entry[K] {
	if e := f.chosen.Load(); e != nil {
		return e
	}
	mu.Lock()
	defer mu.Unlock()
	best := f.entries[0]
	for _, e := range slices.Backward(f.entries) {
		if e.set <= limit && e.set.Missing() == nil {
			best = e
			break
		}
	}
	f.chosen.Store(best)
	return best
}

func (f *Family[K]) forget() { f.chosen.Store(nil) }

func (f *Family[K]) familyName() string { return f.name }

func (f *Family[K]) choice() Choice { return Choice{f.name, f.Set()} }
