// Package cudnn is the part of NVIDIA's cuDNN that convolves int8 with exact
// sums. The library is opened when it is first asked for and need not be there;
// nothing is linked to it. It is in binaries built with -tags cuda.
package cudnn
