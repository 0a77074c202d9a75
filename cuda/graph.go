//go:build cuda

package cuda

// #include "runtime.h"
import "C"

import "unsafe"

// Graph is a list of commands that the driver has turned into one thing to
// launch.
type Graph struct {
	q *Queue
	x C.CUgraphExec
}

// Record turns commands into a graph. It has copies of the arguments, but
// refers to the same memory. tags are those of the commands, for the error.
func (q *Queue) Record(cmds []Command, tags []any) (*Graph, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	g := &Graph{q: q}
	err := q.c.Do(func() error {
		c, err := q.capture(cmds, tags)
		if err != nil {
			return err
		}
		defer C.cuGraphDestroy(c)
		if err := q.c.code("cuGraphInstantiate", int(C.goqat_instantiate(&g.x, c))); err != nil {
			return err
		}
		live.graphs.Add(1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return g, nil
}

// capture runs on the thread. What is pending is issued first, so that it
// stays ahead and out of the graph.
func (q *Queue) capture(cmds []Command, tags []any) (C.CUgraph, error) {
	if err := q.keep(q.run()); err != nil {
		return nil, err
	}
	var first *C.goqat_command
	if len(cmds) > 0 {
		first = (*C.goqat_command)(unsafe.Pointer(&cmds[0]))
	}
	var c C.CUgraph
	var done C.int
	r := C.goqat_capture(first, C.int(len(cmds)), q.s, &done, &c)
	if err := q.c.code("cuStreamEndCapture", int(r)); err != nil {
		if int(done) < len(tags) {
			err = &CommandError{Tag: tags[done], Exact: true, Err: err}
		}
		return nil, err
	}
	return c, nil
}

// Update makes the graph run other commands, of the same kinds in the same
// order. It reports false, and leaves the graph as it is, when the driver
// cannot do it: then record anew.
func (g *Graph) Update(cmds []Command, tags []any) (ok bool, err error) {
	q := g.q
	q.mu.Lock()
	defer q.mu.Unlock()
	err = q.c.Do(func() error {
		c, err := q.capture(cmds, tags)
		if err != nil {
			return err
		}
		defer C.cuGraphDestroy(c)
		r := int(C.goqat_update(g.x, c))
		if r == codeGraphUpdateFail {
			return nil
		}
		ok = r == 0
		return q.c.code("cuGraphExecUpdate", r)
	})
	return ok, err
}

// Command returns the launch of the graph.
func (g *Graph) Command() Command {
	return Command{C.goqat_command{kind: C.GOQAT_GRAPH, handle: C.uint64_t(uintptr(unsafe.Pointer(g.x)))}}
}

// Close releases the graph, which must not be running.
func (g *Graph) Close() error {
	if g.x == nil {
		return nil
	}
	return g.q.c.do(func() error {
		live.graphs.Add(-1)
		err := g.q.c.code("cuGraphExecDestroy", int(C.cuGraphExecDestroy(g.x)))
		g.x = nil
		return err
	})
}
