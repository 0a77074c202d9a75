// The instructions of this package that the Go assembler lacks, as words. d, n
// and m are the numbers of vector registers, i that of a lane; the line above
// each says which instruction it is, and TestWords asks an assembler whether
// that is so.

// smull v{d}.8h, v{n}.8b, v{m}.8b
#define SMULL8H(d, n, m) WORD $(0x0E20C000 | (m)<<16 | (n)<<5 | (d))

// smull2 v{d}.8h, v{n}.16b, v{m}.16b
#define SMULL2_8H(d, n, m) WORD $(0x4E20C000 | (m)<<16 | (n)<<5 | (d))

// sadalp v{d}.4s, v{n}.8h
#define SADALP4S(d, n) WORD $(0x4E606800 | (n)<<5 | (d))

// sdot v{d}.4s, v{n}.16b, v{m}.4b[{i}]
#define SDOT4S(d, n, m, i) WORD $(0x4F80E000 | ((i)>>1)<<11 | ((i)&1)<<21 | (m)<<16 | (n)<<5 | (d))

// sudot v{d}.4s, v{n}.16b, v{m}.4b[{i}]
#define SUDOT4S(d, n, m, i) WORD $(0x4F00F000 | ((i)>>1)<<11 | ((i)&1)<<21 | (m)<<16 | (n)<<5 | (d))

// smmla v{d}.4s, v{n}.16b, v{m}.16b
#define SMMLA4S(d, n, m) WORD $(0x4E80A400 | (m)<<16 | (n)<<5 | (d))

// usmmla v{d}.4s, v{n}.16b, v{m}.16b
#define USMMLA4S(d, n, m) WORD $(0x4E80AC00 | (m)<<16 | (n)<<5 | (d))

// fadd v{d}.4s, v{n}.4s, v{m}.4s
#define FADD4S(d, n, m) WORD $(0x4E20D400 | (m)<<16 | (n)<<5 | (d))

// fmla v{d}.4s, v{n}.4s, v{m}.s[0]
#define FMLA4S(d, n, m) WORD $(0x4F801000 | (m)<<16 | (n)<<5 | (d))
