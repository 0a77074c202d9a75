// Package library remembers libraries that are opened at run time: each once,
// for the life of the process.
package library

import "sync"

// Opened are libraries by the name they were asked for. The zero value has
// none.
type Opened[L any] struct {
	mu sync.Mutex
	by map[string]func() (L, error)
}

// Open returns what load made of name the first time, its error included.
func (o *Opened[L]) Open(name string, load func(name string) (L, error)) (L, error) {
	o.mu.Lock()
	f := o.by[name]
	if f == nil {
		f = sync.OnceValues(func() (L, error) { return load(name) })
		if o.by == nil {
			o.by = map[string]func() (L, error){}
		}
		o.by[name] = f
	}
	o.mu.Unlock()
	return f()
}
