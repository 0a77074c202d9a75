//go:build cuda

package cublaslt

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/internal/cudasim"
)

// includeEnv names folders with NVIDIA's headers, separated as in PATH, for the
// comparison with the declarations here.
const includeEnv = "GOQAT_VENDOR_INCLUDE"

// comparison compiles where each declaration is that of the real header.
const comparison = `
// Headers of 16-bit types, which the library's own do not need, want more of CUDA.
#define __CUDA_FP16_H__
#define __CUDA_BF16_H__
#include <cublasLt.h>
#include "cublaslt.h"
#define SAME(a, b) _Static_assert((int)(a) == (int)(b), #a)
SAME(GOQAT_LT_SUCCESS, CUBLAS_STATUS_SUCCESS);
SAME(GOQAT_LT_NOT_INITIALIZED, CUBLAS_STATUS_NOT_INITIALIZED);
SAME(GOQAT_LT_ALLOC_FAILED, CUBLAS_STATUS_ALLOC_FAILED);
SAME(GOQAT_LT_INVALID_VALUE, CUBLAS_STATUS_INVALID_VALUE);
SAME(GOQAT_LT_ARCH_MISMATCH, CUBLAS_STATUS_ARCH_MISMATCH);
SAME(GOQAT_LT_EXECUTION_FAILED, CUBLAS_STATUS_EXECUTION_FAILED);
SAME(GOQAT_LT_INTERNAL_ERROR, CUBLAS_STATUS_INTERNAL_ERROR);
SAME(GOQAT_LT_NOT_SUPPORTED, CUBLAS_STATUS_NOT_SUPPORTED);
SAME(GOQAT_LT_R_32F, CUDA_R_32F);
SAME(GOQAT_LT_R_8I, CUDA_R_8I);
SAME(GOQAT_LT_R_32I, CUDA_R_32I);
SAME(GOQAT_LT_COMPUTE_32I, CUBLAS_COMPUTE_32I);
SAME(GOQAT_LT_OP_N, CUBLAS_OP_N);
SAME(GOQAT_LT_OP_T, CUBLAS_OP_T);
SAME(GOQAT_LT_ORDER_COL, CUBLASLT_ORDER_COL);
SAME(GOQAT_LT_ORDER_COL32, CUBLASLT_ORDER_COL32);
SAME(GOQAT_LT_ORDER_COL4_4R2_8C, CUBLASLT_ORDER_COL4_4R2_8C);
SAME(GOQAT_LT_ORDER_COL32_2R_4R4, CUBLASLT_ORDER_COL32_2R_4R4);
SAME(GOQAT_LT_LAYOUT_ORDER, CUBLASLT_MATRIX_LAYOUT_ORDER);
SAME(GOQAT_LT_LAYOUT_ROWS, CUBLASLT_MATRIX_LAYOUT_ROWS);
SAME(GOQAT_LT_LAYOUT_COLS, CUBLASLT_MATRIX_LAYOUT_COLS);
SAME(GOQAT_LT_LAYOUT_LD, CUBLASLT_MATRIX_LAYOUT_LD);
SAME(GOQAT_LT_DESC_POINTER_MODE, CUBLASLT_MATMUL_DESC_POINTER_MODE);
SAME(GOQAT_LT_POINTER_DEVICE, CUBLASLT_POINTER_MODE_DEVICE);
SAME(GOQAT_LT_POINTER_ALPHA_VECTOR, CUBLASLT_POINTER_MODE_ALPHA_DEVICE_VECTOR_BETA_HOST);
SAME(GOQAT_LT_DESC_TRANSA, CUBLASLT_MATMUL_DESC_TRANSA);
SAME(GOQAT_LT_DESC_TRANSB, CUBLASLT_MATMUL_DESC_TRANSB);
SAME(GOQAT_LT_PREF_WORKSPACE, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
SAME(GOQAT_LT_PREF_ALIGN_A, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
SAME(GOQAT_LT_PREF_ALIGN_B, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES);
SAME(GOQAT_LT_PREF_ALIGN_C, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES);
SAME(GOQAT_LT_PREF_ALIGN_D, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
SAME(GOQAT_LT_MAJOR, MAJOR_VERSION);
SAME(GOQAT_LT_MINOR, MINOR_VERSION);
SAME(GOQAT_LT_PATCH, PATCH_LEVEL);
SAME(sizeof(goqat_lt_algo), sizeof(cublasLtMatmulAlgo_t));
SAME(sizeof(goqat_lt_result), sizeof(cublasLtMatmulHeuristicResult_t));
SAME(offsetof(goqat_lt_result, workspace), offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize));
SAME(offsetof(goqat_lt_result, state), offsetof(cublasLtMatmulHeuristicResult_t, state));
SAME(offsetof(goqat_lt_result, waves), offsetof(cublasLtMatmulHeuristicResult_t, wavesCount));
SAME(offsetof(goqat_lt_result, reserved), offsetof(cublasLtMatmulHeuristicResult_t, reserved));
// Enumerations and handles are passed as integers and pointers.
SAME(sizeof(cublasStatus_t), sizeof(int));
SAME(sizeof(cudaDataType), sizeof(int));
SAME(sizeof(cublasComputeType_t), sizeof(int));
SAME(sizeof(cublasLtHandle_t), sizeof(void *));
// The types of the functions, with those that differ in name alone put in.
#define TAKES(f, ...) static int (*const check_##f)(__VA_ARGS__) __attribute__((unused)) = (int (*)(__VA_ARGS__))0; \
  _Static_assert(__builtin_types_compatible_p(__typeof__(&cublasLt##f), cublasStatus_t (*)(__VA_ARGS__)), #f)
TAKES(Create, cublasLtHandle_t *);
TAKES(Destroy, cublasLtHandle_t);
TAKES(GetProperty, libraryPropertyType, int *);
TAKES(MatmulDescCreate, cublasLtMatmulDesc_t *, cublasComputeType_t, cudaDataType_t);
TAKES(MatmulDescDestroy, cublasLtMatmulDesc_t);
TAKES(MatmulDescSetAttribute, cublasLtMatmulDesc_t, cublasLtMatmulDescAttributes_t, const void *, size_t);
TAKES(MatrixLayoutCreate, cublasLtMatrixLayout_t *, cudaDataType, uint64_t, uint64_t, int64_t);
TAKES(MatrixLayoutDestroy, cublasLtMatrixLayout_t);
TAKES(MatrixLayoutSetAttribute, cublasLtMatrixLayout_t, cublasLtMatrixLayoutAttribute_t, const void *, size_t);
TAKES(MatmulPreferenceCreate, cublasLtMatmulPreference_t *);
TAKES(MatmulPreferenceDestroy, cublasLtMatmulPreference_t);
TAKES(MatmulPreferenceSetAttribute, cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t, const void *, size_t);
TAKES(MatmulAlgoGetHeuristic, cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
      cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, int, cublasLtMatmulHeuristicResult_t *, int *);
TAKES(Matmul, cublasLtHandle_t, cublasLtMatmulDesc_t, const void *, const void *, cublasLtMatrixLayout_t, const void *, cublasLtMatrixLayout_t,
      const void *, const void *, cublasLtMatrixLayout_t, void *, cublasLtMatrixLayout_t, const cublasLtMatmulAlgo_t *, void *, size_t, cudaStream_t);
`

// TestHeaders compares the declarations with NVIDIA's, wherever there are any.
func TestHeaders(t *testing.T) {
	named := os.Getenv(includeEnv)
	args := []string{"-fsyntax-only", "-Wall", "-Wno-unused", "-I."}
	found := false
	for _, d := range filepath.SplitList(named) {
		args = append(args, "-isystem", d)
		if _, err := os.Stat(filepath.Join(d, "cublasLt.h")); err == nil {
			found = true
		}
	}
	if !found {
		require.Empty(t, named, "%s has no cublasLt.h", includeEnv)
		t.Skipf("needs cublasLt.h: scripts/cuda-packages.sh vendor-headers fetches it, and %s names its folder", includeEnv)
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

// TestDescriptors makes and releases the descriptors of a product in each order:
// with the real library too, which needs no device for that.
func TestDescriptors(t *testing.T) {
	if os.Getenv(Env) == "" && cudasim.Running() {
		t.Setenv(Env, cudasim.Vendor("cublasLt"))
	}
	l, err := Open()
	if err != nil {
		require.ErrorIs(t, err, ErrMissing)
		t.Skipf("%v", err)
	}
	t.Log(l)
	require.GreaterOrEqual(t, l.Major, oldest)
	if cudasim.Running() {
		t.Skip("the stand-in needs a context: backend/gpu tests it")
	}
	for _, o := range []Order{Rows, Turing, Ampere} {
		for _, r := range []Result{Sums, Codes, CodesEach} {
			require.NoError(t, l.describe(Product{Order: o, Result: r, M: 40, N: 64, K: 96}), "%v %v", o, r)
		}
	}
}

func TestSizes(t *testing.T) {
	require.Equal(t, []Order{Rows}, Orders(90))
	require.Equal(t, []Order{Rows, Ampere, Turing}, Orders(89))
	require.Equal(t, []Order{Rows, Turing}, Orders(75))
	require.Equal(t, 36*20, Product{Order: Rows, M: 1, N: 36, K: 20}.SizeB())
	require.Equal(t, 64*32, Product{Order: Ampere, M: 1, N: 64, K: 32}.SizeB())
	_, err := (&Handle{}).prepare(Product{Order: Rows, M: 3, N: 6, K: 8})
	require.ErrorIs(t, err, ErrUnsupported)
	_, err = (&Handle{}).prepare(Product{Order: Turing, Result: CodesEach, M: 3, N: 32, K: 32})
	require.ErrorIs(t, err, ErrUnsupported)
	require.Equal(t, []int{0, 1, 36}, []int{Product{N: 36}.Multipliers(), Product{Result: Codes, N: 36}.Multipliers(), Product{Result: CodesEach, N: 36}.Multipliers()})
}
