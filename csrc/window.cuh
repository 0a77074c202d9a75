// The geometry of a window that slides over images [batch, h, w, channels].
#pragma once
#include "common.cuh"

#define WINDOW_ARGUMENTS int h, int w, int channels, int oh, int ow, int kh, int kw, int sh, int sw, int dh, int dw, int top, int left
#define WINDOW_NAMES h, w, channels, oh, ow, kh, kw, sh, sw, dh, dw, top, left
