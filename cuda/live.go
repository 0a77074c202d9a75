//go:build cuda

package cuda

import "sync/atomic"

// Counts are the driver's objects that this process holds.
type Counts struct {
	Contexts, Streams, Events, Modules, Graphs int64
	Allocations, Bytes                         int64
	Pinned, PinnedBytes                        int64
	// Arguments are argument blocks of launches in C memory.
	Arguments int64
	// Callbacks are Go functions known to C.
	Callbacks int64
}

var live struct {
	contexts, streams, events, modules, graphs, allocations, bytes, pinned, pinnedBytes, arguments, callbacks atomic.Int64
}

// Live returns what is held now: all zero when everything is released.
func Live() Counts {
	return Counts{
		Contexts: live.contexts.Load(), Streams: live.streams.Load(), Events: live.events.Load(), Modules: live.modules.Load(), Graphs: live.graphs.Load(),
		Allocations: live.allocations.Load(), Bytes: live.bytes.Load(), Pinned: live.pinned.Load(), PinnedBytes: live.pinnedBytes.Load(),
		Arguments: live.arguments.Load(), Callbacks: live.callbacks.Load(),
	}
}
