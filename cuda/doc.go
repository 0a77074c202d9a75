// Package cuda is the runtime of the GPU backend over the CUDA driver: the
// only package that imports gorgonia.org/cu. It is in binaries built with
// -tags cuda.
//
// A [Context] is the primary context of a device with the one thread that
// talks to it. A [Queue] collects commands (launches, copies, graphs) and
// gives them to that thread as whole lists, which C code issues in one
// crossing. What cu lacks, or does in a way that cannot be used, is in
// runtime.c: command lists, graphs, function attributes, launches with
// clusters, pinned memory, host callbacks, tensor maps.
package cuda
