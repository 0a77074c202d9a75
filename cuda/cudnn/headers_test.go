//go:build cuda

package cudnn

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// includeEnv names folders with NVIDIA's headers, separated as in PATH, for the
// comparison with the declarations here.
const includeEnv = "GOQAT_VENDOR_INCLUDE"

const comparison = `
#include <cuda_runtime_api.h>
#include <cudnn.h>
#include GOQAT_OWN
#define SAME(a, b) _Static_assert((int)(a) == (int)(b), #a)
SAME(GOQAT_DNN_SUCCESS, CUDNN_STATUS_SUCCESS);
SAME(GOQAT_DNN_BAD_PARAM, CUDNN_STATUS_BAD_PARAM);
SAME(GOQAT_DNN_NOT_SUPPORTED, CUDNN_STATUS_NOT_SUPPORTED);
SAME(GOQAT_DNN_EXECUTION_FAILED, CUDNN_STATUS_EXECUTION_FAILED);
SAME(GOQAT_DNN_FLOAT, CUDNN_DATA_FLOAT);
SAME(GOQAT_DNN_INT8, CUDNN_DATA_INT8);
SAME(GOQAT_DNN_INT32, CUDNN_DATA_INT32);
SAME(GOQAT_DNN_NHWC, CUDNN_TENSOR_NHWC);
SAME(GOQAT_DNN_CROSS_CORRELATION, CUDNN_CROSS_CORRELATION);
SAME(GOQAT_DNN_TENSOR_OP_MATH, CUDNN_TENSOR_OP_MATH);
SAME(GOQAT_DNN_ALGORITHMS, CUDNN_CONVOLUTION_FWD_ALGO_COUNT);
SAME(sizeof(cudnnStatus_t), sizeof(int));
#define TAKES(f, ...) _Static_assert(__builtin_types_compatible_p(__typeof__(&cudnn##f), cudnnStatus_t (*)(__VA_ARGS__)), #f)
TAKES(Create, cudnnHandle_t *);
TAKES(Destroy, cudnnHandle_t);
TAKES(SetStream, cudnnHandle_t, cudaStream_t);
TAKES(CreateTensorDescriptor, cudnnTensorDescriptor_t *);
TAKES(SetTensor4dDescriptor, cudnnTensorDescriptor_t, cudnnTensorFormat_t, cudnnDataType_t, int, int, int, int);
TAKES(CreateFilterDescriptor, cudnnFilterDescriptor_t *);
TAKES(SetFilter4dDescriptor, cudnnFilterDescriptor_t, cudnnDataType_t, cudnnTensorFormat_t, int, int, int, int);
TAKES(CreateConvolutionDescriptor, cudnnConvolutionDescriptor_t *);
TAKES(SetConvolution2dDescriptor, cudnnConvolutionDescriptor_t, int, int, int, int, int, int, cudnnConvolutionMode_t, cudnnDataType_t);
TAKES(SetConvolutionMathType, cudnnConvolutionDescriptor_t, cudnnMathType_t);
TAKES(GetConvolutionForwardWorkspaceSize, cudnnHandle_t, const cudnnTensorDescriptor_t, const cudnnFilterDescriptor_t,
      const cudnnConvolutionDescriptor_t, const cudnnTensorDescriptor_t, cudnnConvolutionFwdAlgo_t, size_t *);
TAKES(ConvolutionForward, cudnnHandle_t, const void *, const cudnnTensorDescriptor_t, const void *, const cudnnFilterDescriptor_t, const void *,
      const cudnnConvolutionDescriptor_t, cudnnConvolutionFwdAlgo_t, void *, size_t, const void *, const cudnnTensorDescriptor_t, void *);
`

// TestHeaders compares the declarations with NVIDIA's, wherever there are any.
func TestHeaders(t *testing.T) {
	own, err := filepath.Abs("cudnn.h")
	require.NoError(t, err)
	args := []string{"-fsyntax-only", "-Wall", "-Wno-unused", "-Wno-deprecated-declarations", `-DGOQAT_OWN="` + own + `"`}
	found := false
	for _, d := range filepath.SplitList(os.Getenv(includeEnv)) {
		args = append(args, "-isystem", d)
		if _, err := os.Stat(filepath.Join(d, "cudnn_graph.h")); err == nil {
			found = true
		}
	}
	if !found {
		require.Empty(t, os.Getenv(includeEnv), "%s has no cudnn.h", includeEnv)
		t.Skipf("needs cudnn.h: scripts/cuda-packages.sh vendor-headers fetches it, and %s names its folder", includeEnv)
	}
	file := filepath.Join(t.TempDir(), "comparison.c")
	require.NoError(t, os.WriteFile(file, []byte(comparison), 0o600))
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	out, err := exec.Command(cc, append(args, file)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestDescriptors makes and releases the descriptors of a convolution with the
// real library, wherever there is one: it needs no device for that.
func TestDescriptors(t *testing.T) {
	l, err := Open()
	if err != nil {
		require.ErrorIs(t, err, ErrMissing)
		t.Skipf("%v", err)
	}
	t.Log(l)
	require.GreaterOrEqual(t, l.Major, 9)
	require.NoError(t, l.describe(Conv{N: 2, H: 9, W: 8, C: 16, OH: 4, OW: 6, O: 8, KH: 3, KW: 3, SH: 2, SW: 1, DH: 1, DW: 1}))
}
