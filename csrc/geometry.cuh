// A convolution in numbers, as package backend/gpu passes it. A sequence is an
// image of height 1, a linear layer images of one pixel.
#pragma once
#include "common.cuh"

struct geometry {
  int n, h, w, c;      // input
  int oh, ow, o;       // output
  int kh, kw;          // kernel
  int sh, sw, dh, dw;  // stride, dilation
  int top, left;       // padding before
  int groups, cg, og;  // groups; input and output channels of one

  __device__ __forceinline__ int rows() const { return n * oh * ow; }
  __device__ __forceinline__ int taps() const { return kh * kw * cg; }
};

// window is where the kernel lies for one position of the output.
struct window {
  i64 image;  // first pixel of the image
  int y, x;   // pixel of the first tap, which may be outside
};

__device__ __forceinline__ window window_at(const geometry& g, int row) {
  window v;
  int line = row / g.ow, j = row - line * g.ow;
  int image = line / g.oh, i = line - image * g.oh;
  v.image = (i64)image * g.h * g.w;
  v.y = i * g.sh - g.top;
  v.x = j * g.sw - g.left;
  return v;
}

// tap is an element of the kernel, [kh, kw, channels] of them.
struct tap {
  int a, b, c;

  // advance moves by n elements.
  __device__ __forceinline__ void advance(int n, int kw, int channels) {
    c += n;
    while (c >= channels) {
      c -= channels;
      if (++b == kw) {
        b = 0;
        a++;
      }
    }
  }
};

__device__ __forceinline__ tap tap_at(int k, int kw, int channels) {
  tap t;
  int p = k / channels;
  t.c = k - p * channels;
  t.a = p / kw;
  t.b = p - t.a * kw;
  return t;
}
