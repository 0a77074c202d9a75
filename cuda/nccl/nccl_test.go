//go:build cuda

package nccl

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNoLibrary: without NCCL the error says how to get it.
func TestNoLibrary(t *testing.T) {
	if library.version > 0 {
		t.Skip("NCCL is open already")
	}
	t.Setenv(EnvLibrary, filepath.Join(t.TempDir(), "libnccl.so.2"))
	_, err := Version()
	require.ErrorIs(t, err, ErrNoLibrary)
	require.ErrorContains(t, err, "pip's nvidia-nccl-cu12")
	_, err = Open(nil)
	require.ErrorIs(t, err, ErrNoLibrary)

	// A library that is not NCCL.
	libc := "libc.so.6"
	t.Setenv(EnvLibrary, libc)
	_, err = Version()
	require.ErrorIs(t, err, ErrNoLibrary)
	require.ErrorContains(t, err, "has no nccl")
}

func TestVersionString(t *testing.T) {
	require.Equal(t, "2.21.5", versionString(22105))
	require.Equal(t, "2.8.4", versionString(2804))
}

// TestHeader compares the declarations with NVIDIA's header, where the
// compiler or GOQAT_NCCL_HEADER, folders, has it.
func TestHeader(t *testing.T) {
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	run := func(text string) ([]byte, error) {
		file := filepath.Join(t.TempDir(), "header.c")
		// The headers of 16-bit types, of which nothing is compared, want more of CUDA.
		text = "#define __CUDA_FP16_H__\n#define __CUDA_BF16_H__\n" + text
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		line := cc + " -fsyntax-only -I. " + os.Getenv("CGO_CFLAGS")
		for _, d := range filepath.SplitList(os.Getenv("GOQAT_NCCL_HEADER")) {
			line += " -isystem " + d
		}
		return exec.Command("sh", "-c", line+" "+file).CombinedOutput()
	}
	if out, err := run("#include <nccl.h>\n#if NCCL_MAJOR < 2\n#error\n#endif\nncclComm_t c;\n"); err != nil {
		require.Empty(t, os.Getenv("GOQAT_NCCL_HEADER"), "%s", out)
		t.Skip("needs the nccl.h of NVIDIA and the headers of CUDA's runtime")
	}
	out, err := run(`#include <nccl.h>
#include "own.h"
#define SAME(a, b) _Static_assert((int)(a) == (int)(b), #a)
SAME(GOQAT_NCCL_SUCCESS, ncclSuccess);
SAME(GOQAT_NCCL_UNHANDLED_CUDA, ncclUnhandledCudaError);
SAME(GOQAT_NCCL_SYSTEM, ncclSystemError);
SAME(GOQAT_NCCL_INTERNAL, ncclInternalError);
SAME(GOQAT_NCCL_INVALID_ARGUMENT, ncclInvalidArgument);
SAME(GOQAT_NCCL_INVALID_USAGE, ncclInvalidUsage);
SAME(GOQAT_NCCL_REMOTE, ncclRemoteError);
SAME(GOQAT_NCCL_IN_PROGRESS, ncclInProgress);
SAME(GOQAT_NCCL_F32, ncclFloat32);
SAME(GOQAT_NCCL_F64, ncclFloat64);
SAME(GOQAT_NCCL_MAX, ncclMax);
SAME(GOQAT_NCCL_MIN, ncclMin);
SAME(GOQAT_NCCL_AVG, ncclAvg);
ncclResult_t (*reduce)(const void *, void *, size_t, ncclDataType_t, ncclRedOp_t, ncclComm_t, cudaStream_t) = ncclAllReduce;
ncclResult_t (*init)(ncclComm_t *, int, const int *) = ncclCommInitAll;
ncclResult_t (*destroy)(ncclComm_t) = ncclCommDestroy;
ncclResult_t (*stop)(ncclComm_t) = ncclCommAbort;
ncclResult_t (*async)(ncclComm_t, ncclResult_t *) = ncclCommGetAsyncError;
ncclResult_t (*start)(void) = ncclGroupStart;
ncclResult_t (*end)(void) = ncclGroupEnd;
ncclResult_t (*version)(int *) = ncclGetVersion;
const char *(*text)(ncclResult_t) = ncclGetErrorString;
const char *(*last)(ncclComm_t) = ncclGetLastError;
`)
	require.NoError(t, err, string(out))
}
