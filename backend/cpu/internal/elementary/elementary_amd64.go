//go:build amd64 && !purego

package elementary

import "github.com/goqat/goqat/backend/cpu/internal/isa"

//go:generate go -C ../../../../internal/asmgen run ./elementary -isa avx2 -out ../../backend/cpu/internal/elementary/elementary_avx2_amd64.s -stubs ../../backend/cpu/internal/elementary/elementary_avx2_amd64.go -pkg elementary
//go:generate go -C ../../../../internal/asmgen run ./elementary -isa avx512 -out ../../backend/cpu/internal/elementary/elementary_avx512_amd64.s -stubs ../../backend/cpu/internal/elementary/elementary_avx512_amd64.go -pkg elementary

func init() {
	family.Add(isa.AVX2, &kernels{
		exp: expAVX2, sigmoid: sigmoidAVX2, tanh: tanhAVX2, gelu: geluAVX2, geluTanh: geluTanhAVX2,
		geluGrad: geluGradAVX2, geluTanhGrad: geluTanhGradAVX2, expSum: expSumAVX2,
		softmaxRows: softmaxRowsAVX2, gapRows: gapRowsAVX2, scaleRows: scaleRowsAVX2, softmaxGradRows: softmaxGradRowsAVX2,
		divideBy: divideByAVX2, normRows: normRowsAVX2, normGradRows: normGradRowsAVX2, normSums: normSumsAVX2,
	})
	family.Add(isa.AVX512, &kernels{
		exp: expAVX512, sigmoid: sigmoidAVX512, tanh: tanhAVX512, gelu: geluAVX512, geluTanh: geluTanhAVX512,
		geluGrad: geluGradAVX512, geluTanhGrad: geluTanhGradAVX512, expSum: expSumAVX512,
		softmaxRows: softmaxRowsAVX512, gapRows: gapRowsAVX512, scaleRows: scaleRowsAVX512, softmaxGradRows: softmaxGradRowsAVX512,
		divideBy: divideByAVX512, normRows: normRowsAVX512, normGradRows: normGradRowsAVX512, normSums: normSumsAVX512,
	})
}
