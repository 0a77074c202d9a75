package graph

// Copy rebuilds a graph node by node into another: the frame of every pass
// that inserts, drops or replaces nodes.
type Copy struct {
	Src, Dst *Graph
	m        []Value // by source id
}

// NewCopy starts a copy of src: inputs, params, states and constants are in
// Dst already, with the same names and contents.
func NewCopy(src *Graph) *Copy {
	c := &Copy{Src: src, Dst: newLike(src), m: make([]Value, len(src.vals))}
	for i := 1; i < len(src.vals); i++ {
		v := &src.vals[i]
		switch v.kind {
		case Input:
			c.m[i] = c.Dst.Input(v.name, v.spec)
		case Param:
			c.m[i] = c.Dst.Param(v.name, v.init)
		case State:
			c.m[i] = c.Dst.State(v.name, v.init)
		case Const:
			c.m[i] = c.Dst.Const(v.name, v.init)
		}
	}
	c.derive()
	return c
}

// Value returns what stands for v, a value of Src, in Dst.
func (c *Copy) Value(v Value) Value {
	if v.Absent() {
		return Value{}
	}
	return c.m[v.id]
}

// Set makes w stand for v from now on.
func (c *Copy) Set(v, w Value) { c.m[v.id] = w }

// Node appends a copy of n.
func (c *Copy) Node(n *Node) []Value {
	in := make([]Value, len(n.In))
	for i, v := range n.In {
		in[i] = c.Value(v)
	}
	out := c.Dst.ApplyNamed(n.Name, n.Op, in...)
	for i := range out {
		c.Set(n.Out[i], out[i])
		c.Codes(n.Out[i])
	}
	if len(out) > 0 {
		m, _ := out[0].Producer()
		m.Again = n.Again
	}
	return out
}

// Codes carries over what is known of the codes v, a value of Src.
func (c *Copy) Codes(v Value) {
	if q, ok := c.Src.CodesOf(v); ok {
		q.Value, q.Scale, q.Zero = c.Value(q.Value), c.Value(q.Scale), c.Value(q.Zero)
		c.Dst.SetCodes(q)
	}
}

// Outputs gives Dst the outputs of Src.
func (c *Copy) Outputs() {
	for _, o := range c.Src.outputs {
		c.Dst.Output(o.Name, c.Value(o.Value))
	}
}

// Clone returns a deep copy of the structure of g; tensors are shared.
func (g *Graph) Clone() (*Graph, error) {
	if g.err != nil {
		return nil, g.err
	}
	c := NewCopy(g)
	for _, n := range g.nodes {
		c.Node(n)
	}
	c.Outputs()
	return c.Dst, c.Dst.err
}

// Rebatch returns g with outermost input dimension n.
func Rebatch(g *Graph, n int) (*Graph, error) {
	if g.err != nil {
		return nil, g.err
	}
	c := &Copy{Src: g, Dst: newLike(g), m: make([]Value, len(g.vals))}
	r := &Rewrite{Dst: c.Dst}
	for i := 1; i < len(g.vals); i++ {
		c.m[i] = r.leaf(&g.vals[i], n)
	}
	c.derive()
	for _, n := range g.nodes {
		c.Node(n)
	}
	c.Outputs()
	return c.Dst, c.Dst.err
}
