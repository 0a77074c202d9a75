// Goes first in the include path: gorgonia.org/cu v0.9.6 is written for the
// functions of CUDA 12, of which the headers of CUDA 13 rename or change some.
// They are in every driver still, under these names, and those before CUDA 12.8
// have no other cuEventElapsedTime.
#ifndef GOQAT_COMPAT_CUDA_H
#define GOQAT_COMPAT_CUDA_H
#include_next <cuda.h>
#if CUDA_VERSION >= 13000
#undef cuCtxCreate
#undef cuEventElapsedTime
#undef cuMemAdvise
#undef cuMemPrefetchAsync
#undef cuGraphAddDependencies
#undef cuGraphGetEdges
#undef cuGraphRemoveDependencies
#ifdef __cplusplus
extern "C" {
#endif
CUresult CUDAAPI cuCtxCreate_v2(CUcontext *pctx, unsigned int flags, CUdevice dev);
CUresult CUDAAPI cuEventElapsedTime(float *ms, CUevent start, CUevent end);
CUresult CUDAAPI cuMemAdvise(CUdeviceptr p, size_t n, CUmem_advise a, CUdevice d);
CUresult CUDAAPI cuMemPrefetchAsync(CUdeviceptr p, size_t n, CUdevice d, CUstream s);
CUresult CUDAAPI cuGraphAddDependencies(CUgraph g, const CUgraphNode *from, const CUgraphNode *to, size_t n);
CUresult CUDAAPI cuGraphRemoveDependencies(CUgraph g, const CUgraphNode *from, const CUgraphNode *to, size_t n);
CUresult CUDAAPI cuGraphGetEdges(CUgraph g, CUgraphNode *from, CUgraphNode *to, size_t *n);
#ifdef __cplusplus
}
#endif
#define cuCtxCreate cuCtxCreate_v2
#endif
#endif
