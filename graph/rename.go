package graph

// Rename returns g with inputs and outputs under other names; those not in
// the map keep theirs.
func Rename(g *Graph, names map[string]string) (*Graph, error) {
	if g.err != nil {
		return nil, g.err
	}
	to := func(n string) string {
		if r, ok := names[n]; ok {
			return r
		}
		return n
	}
	c := &Copy{Src: g, Dst: newLike(g), m: make([]Value, len(g.vals))}
	for i := 1; i < len(g.vals); i++ {
		v := &g.vals[i]
		switch v.kind {
		case Input:
			c.m[i] = c.Dst.Input(to(v.name), v.spec)
		case Param:
			c.m[i] = c.Dst.Param(v.name, v.init)
		case State:
			c.m[i] = c.Dst.State(v.name, v.init)
		case Const:
			c.m[i] = c.Dst.Const(v.name, v.init)
		}
	}
	c.derive()
	for _, n := range g.nodes {
		c.Node(n)
	}
	for _, o := range g.outputs {
		c.Dst.Output(to(o.Name), c.Value(o.Value))
	}
	return c.Dst, c.Dst.err
}
