// The instructions of this package that the Go assembler lacks, as words. d, n
// and m are the numbers of vector registers; the line above each says which
// instruction it is, and TestWords asks an assembler whether that is so.

// fadd v{d}.4s, v{n}.4s, v{m}.4s
#define FADD4S(d, n, m) WORD $(0x4E20D400 | (m)<<16 | (n)<<5 | (d))

// fsub v{d}.4s, v{n}.4s, v{m}.4s
#define FSUB4S(d, n, m) WORD $(0x4EA0D400 | (m)<<16 | (n)<<5 | (d))

// fmul v{d}.4s, v{n}.4s, v{m}.4s
#define FMUL4S(d, n, m) WORD $(0x6E20DC00 | (m)<<16 | (n)<<5 | (d))

// fcmeq v{d}.4s, v{n}.4s, v{m}.4s
#define FCMEQ4S(d, n, m) WORD $(0x4E20E400 | (m)<<16 | (n)<<5 | (d))

// fcmgt v{d}.4s, v{n}.4s, v{m}.4s
#define FCMGT4S(d, n, m) WORD $(0x6EA0E400 | (m)<<16 | (n)<<5 | (d))

// sshr v{d}.4s, v{n}.4s, #1
#define SSHR4S_1(d, n) WORD $(0x4F3F0400 | (n)<<5 | (d))

// fcvtl v{d}.2d, v{n}.2s
#define FCVTL2D(d, n) WORD $(0x0E617800 | (n)<<5 | (d))

// fcvtl2 v{d}.2d, v{n}.4s
#define FCVTL2_2D(d, n) WORD $(0x4E617800 | (n)<<5 | (d))

// fadd v{d}.2d, v{n}.2d, v{m}.2d
#define FADD2D(d, n, m) WORD $(0x4E60D400 | (m)<<16 | (n)<<5 | (d))
