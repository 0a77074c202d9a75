// The instructions of this package that the Go assembler lacks, as words. d, n
// and m are the numbers of vector registers, i that of a lane; the line above
// each says which instruction it is, and TestWords asks an assembler whether
// that is so.

// fadd v{d}.4s, v{n}.4s, v{m}.4s
#define FADD4S(d, n, m) WORD $(0x4E20D400 | (m)<<16 | (n)<<5 | (d))

// fsub v{d}.4s, v{n}.4s, v{m}.4s
#define FSUB4S(d, n, m) WORD $(0x4EA0D400 | (m)<<16 | (n)<<5 | (d))

// fmul v{d}.4s, v{n}.4s, v{m}.4s
#define FMUL4S(d, n, m) WORD $(0x6E20DC00 | (m)<<16 | (n)<<5 | (d))

// fdiv v{d}.4s, v{n}.4s, v{m}.4s
#define FDIV4S(d, n, m) WORD $(0x6E20FC00 | (m)<<16 | (n)<<5 | (d))

// fmax v{d}.4s, v{n}.4s, v{m}.4s
#define FMAX4S(d, n, m) WORD $(0x4E20F400 | (m)<<16 | (n)<<5 | (d))

// fmin v{d}.4s, v{n}.4s, v{m}.4s
#define FMIN4S(d, n, m) WORD $(0x4EA0F400 | (m)<<16 | (n)<<5 | (d))

// fcmeq v{d}.4s, v{n}.4s, v{m}.4s
#define FCMEQ4S(d, n, m) WORD $(0x4E20E400 | (m)<<16 | (n)<<5 | (d))

// fcmge v{d}.4s, v{n}.4s, v{m}.4s
#define FCMGE4S(d, n, m) WORD $(0x6E20E400 | (m)<<16 | (n)<<5 | (d))

// fcmgt v{d}.4s, v{n}.4s, v{m}.4s
#define FCMGT4S(d, n, m) WORD $(0x6EA0E400 | (m)<<16 | (n)<<5 | (d))

// scvtf v{d}.4s, v{n}.4s
#define SCVTF4S(d, n) WORD $(0x4E21D800 | (n)<<5 | (d))

// fcvtns v{d}.4s, v{n}.4s
#define FCVTNS4S(d, n) WORD $(0x4E21A800 | (n)<<5 | (d))

// fcvtas v{d}.4s, v{n}.4s
#define FCVTAS4S(d, n) WORD $(0x4E21C800 | (n)<<5 | (d))

// fsqrt v{d}.4s, v{n}.4s
#define FSQRT4S(d, n) WORD $(0x6EA1F800 | (n)<<5 | (d))

// smax v{d}.4s, v{n}.4s, v{m}.4s
#define SMAX4S(d, n, m) WORD $(0x4EA06400 | (m)<<16 | (n)<<5 | (d))

// smin v{d}.4s, v{n}.4s, v{m}.4s
#define SMIN4S(d, n, m) WORD $(0x4EA06C00 | (m)<<16 | (n)<<5 | (d))

// sqadd v{d}.4s, v{n}.4s, v{m}.4s
#define SQADD4S(d, n, m) WORD $(0x4EA00C00 | (m)<<16 | (n)<<5 | (d))

// sqshl v{d}.4s, v{n}.4s, v{m}.4s
#define SQSHL4S(d, n, m) WORD $(0x4EA04C00 | (m)<<16 | (n)<<5 | (d))

// srshl v{d}.4s, v{n}.4s, v{m}.4s
#define SRSHL4S(d, n, m) WORD $(0x4EA05400 | (m)<<16 | (n)<<5 | (d))

// sqrdmulh v{d}.4s, v{n}.4s, v{m}.4s
#define SQRDMULH4S(d, n, m) WORD $(0x6EA0B400 | (m)<<16 | (n)<<5 | (d))

// neg v{d}.4s, v{n}.4s
#define NEG4S(d, n) WORD $(0x6EA0B800 | (n)<<5 | (d))

// sshr v{d}.4s, v{n}.4s, #31
#define SSHR4S_31(d, n) WORD $(0x4F210400 | (n)<<5 | (d))

// smull v{d}.2d, v{n}.2s, v{m}.2s
#define SMULL2D(d, n, m) WORD $(0x0EA0C000 | (m)<<16 | (n)<<5 | (d))

// smull2 v{d}.2d, v{n}.4s, v{m}.4s
#define SMULL2_2D(d, n, m) WORD $(0x4EA0C000 | (m)<<16 | (n)<<5 | (d))

// srshl v{d}.2d, v{n}.2d, v{m}.2d
#define SRSHL2D(d, n, m) WORD $(0x4EE05400 | (m)<<16 | (n)<<5 | (d))

// sxtl v{d}.2d, v{n}.2s
#define SXTL2D(d, n) WORD $(0x0F20A400 | (n)<<5 | (d))

// sxtl2 v{d}.2d, v{n}.4s
#define SXTL2_2D(d, n) WORD $(0x4F20A400 | (n)<<5 | (d))

// sqxtn v{d}.2s, v{n}.2d
#define SQXTN2S(d, n) WORD $(0x0EA14800 | (n)<<5 | (d))

// sqxtn2 v{d}.4s, v{n}.2d
#define SQXTN2_4S(d, n) WORD $(0x4EA14800 | (n)<<5 | (d))

// addv s{d}, v{n}.4s
#define ADDV4S(d, n) WORD $(0x4EB1B800 | (n)<<5 | (d))

// cmtst v{d}.8b, v{n}.8b, v{m}.8b
#define CMTST8B(d, n, m) WORD $(0x0E208C00 | (m)<<16 | (n)<<5 | (d))

// xtn v{d}.8b, v{n}.8h
#define XTN8B(d, n) WORD $(0x0E212800 | (n)<<5 | (d))

// sxtl v{d}.8h, v{n}.8b
#define SXTL8H(d, n) WORD $(0x0F08A400 | (n)<<5 | (d))

// sxtl v{d}.4s, v{n}.4h
#define SXTL4S(d, n) WORD $(0x0F10A400 | (n)<<5 | (d))

// sxtl2 v{d}.4s, v{n}.8h
#define SXTL2_4S(d, n) WORD $(0x4F10A400 | (n)<<5 | (d))

// addv b{d}, v{n}.8b
#define ADDV8B(d, n) WORD $(0x0E31B800 | (n)<<5 | (d))

// smax v{d}.16b, v{n}.16b, v{m}.16b
#define SMAX16B(d, n, m) WORD $(0x4E206400 | (m)<<16 | (n)<<5 | (d))

// umax v{d}.16b, v{n}.16b, v{m}.16b
#define UMAX16B(d, n, m) WORD $(0x6E206400 | (m)<<16 | (n)<<5 | (d))
