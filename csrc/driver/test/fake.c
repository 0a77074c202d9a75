// Drivers to open, by INIT and DEVICES: an old one, which lacks most
// functions.
#include <stdlib.h>
int cuInit(unsigned flags) { return flags ? 1 : INIT; }
int cuDeviceGetCount(int *n) { return *n = DEVICES, 0; }
int cuDriverGetVersion(int *v) { return *v = 11000, 0; }
int cuGetErrorString(int e, const char **text) { return *text = e == 999 ? "unknown error" : "?", 0; }
// Arguments of both kinds, more than fit registers.
int cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void *stream, void **p, void **extra) {
  long sum = (long)f + 2 * gx + 3 * gy + 4 * gz + 5 * bx + 6 * by + 7 * bz + 8 * shared + 9 * (long)stream + 10 * (long)p + 11 * (long)extra;
  return (int)sum;
}
int cuTexRefSetMipmapLevelBias(void *t, float bias) { return (long)t == 5 && bias == 2.5f ? 42 : 43; }
void *own_symbol(void) { return NULL; }
