// The instructions of this package that the Go assembler lacks, as words. d, n
// and m are the numbers of vector registers, i that of a lane; the line above
// each says which instruction it is, and TestWords asks an assembler whether
// that is so.

// fadd v{d}.4s, v{n}.4s, v{m}.4s
#define FADD4S(d, n, m) WORD $(0x4E20D400 | (m)<<16 | (n)<<5 | (d))

// fmul v{d}.4s, v{n}.4s, v{m}.4s
#define FMUL4S(d, n, m) WORD $(0x6E20DC00 | (m)<<16 | (n)<<5 | (d))

// fcmeq v{d}.4s, v{n}.4s, v{m}.4s
#define FCMEQ4S(d, n, m) WORD $(0x4E20E400 | (m)<<16 | (n)<<5 | (d))

// fcmgt v{d}.4s, v{n}.4s, v{m}.4s
#define FCMGT4S(d, n, m) WORD $(0x6EA0E400 | (m)<<16 | (n)<<5 | (d))

// smax v{d}.16b, v{n}.16b, v{m}.16b
#define SMAX16B(d, n, m) WORD $(0x4E206400 | (m)<<16 | (n)<<5 | (d))

// umax v{d}.16b, v{n}.16b, v{m}.16b
#define UMAX16B(d, n, m) WORD $(0x6E206400 | (m)<<16 | (n)<<5 | (d))

// smax v{d}.8b, v{n}.8b, v{m}.8b
#define SMAX8B(d, n, m) WORD $(0x0E206400 | (m)<<16 | (n)<<5 | (d))

// umax v{d}.8b, v{n}.8b, v{m}.8b
#define UMAX8B(d, n, m) WORD $(0x2E206400 | (m)<<16 | (n)<<5 | (d))

// cmgt v{d}.8b, v{n}.8b, v{m}.8b
#define CMGT8B(d, n, m) WORD $(0x0E203400 | (m)<<16 | (n)<<5 | (d))

// cmhi v{d}.8b, v{n}.8b, v{m}.8b
#define CMHI8B(d, n, m) WORD $(0x2E203400 | (m)<<16 | (n)<<5 | (d))

// sxtl v{d}.8h, v{n}.8b
#define SXTL8H(d, n) WORD $(0x0F08A400 | (n)<<5 | (d))

// sxtl v{d}.4s, v{n}.4h
#define SXTL4S(d, n) WORD $(0x0F10A400 | (n)<<5 | (d))

// sxtl2 v{d}.4s, v{n}.8h
#define SXTL2_4S(d, n) WORD $(0x4F10A400 | (n)<<5 | (d))
