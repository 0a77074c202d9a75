package amx

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mmcloughlin/avo/reg"
)

// golden are encodings as binutils 2.40 writes them.
var golden = []struct {
	code []byte
	hex  string
}{
	{loadConfig(Mem{Base: reg.RAX}), "c4e2784900"},
	{loadConfig(Mem{Base: reg.R13}), "c4c278494500"},
	{storeConfig(Mem{Base: reg.RSP, Disp: 64}), "c4e27949442440"},
	{release(), "c4e27849c0"},
	{zero(0), "c4e27b49c0"},
	{zero(7), "c4e27b49f8"},
	{load(4, Mem{Base: reg.RSI, Stride: reg.R8}), "c4a27b4b2406"},
	{load(5, Mem{Base: reg.R9, Stride: reg.R8}), "c4827b4b2c01"},
	{loadT1(6, Mem{Base: reg.RDI, Stride: reg.R10, Disp: 1024}), "c4a2794bb41700040000"},
	{store(Mem{Base: reg.R13, Stride: reg.R12}, 3), "c4827a4b5c2500"},
	{store(Mem{Base: reg.RDX, Stride: reg.R12, Disp: 64}, 1), "c4a27a4b4c2240"},
	{dotSS(0, 4, 6), "c4e24b5ec4"},
	{dotSU(1, 4, 7), "c4e2425ecc"},
	{dotUS(2, 5, 6), "c4e2495ed5"},
	{dotUU(3, 5, 7), "c4e2405edd"},
	{dotBF16(7, 1, 2), "c4e26a5cf9"},
}

func TestGolden(t *testing.T) {
	for i, g := range golden {
		if got := hex.EncodeToString(g.code); got != g.hex {
			t.Errorf("golden %d is %s, want %s", i, got, g.hex)
		}
	}
}

var registers = []struct {
	r    reg.GPPhysical
	name string
}{
	{reg.RAX, "rax"}, {reg.RCX, "rcx"}, {reg.RDX, "rdx"}, {reg.RBX, "rbx"}, {reg.RSP, "rsp"}, {reg.RBP, "rbp"}, {reg.RSI, "rsi"}, {reg.RDI, "rdi"},
	{reg.R8, "r8"}, {reg.R9, "r9"}, {reg.R10, "r10"}, {reg.R11, "r11"}, {reg.R12, "r12"}, {reg.R13, "r13"}, {reg.R14, "r14"}, {reg.R15, "r15"},
}

// every returns many instructions of all kinds: their assembly for GNU as and
// our bytes.
func every() (text []string, code [][]byte) {
	add := func(c []byte, format string, args ...any) {
		text = append(text, fmt.Sprintf(format, args...))
		code = append(code, c)
	}
	add(release(), "tilerelease")
	for i := range 8 {
		t := Tile(i)
		add(zero(t), "tilezero tmm%d", i)
	}
	for _, b := range registers {
		for _, d := range []int{0, 1, -1, 127, -128, 128, 4096, -4096} {
			m := Mem{Base: b.r, Disp: d}
			add(loadConfig(m), "ldtilecfg [%s%+d]", b.name, d)
			add(storeConfig(m), "sttilecfg [%s%+d]", b.name, d)
			for i, x := range registers {
				if x.name == "rsp" {
					continue
				}
				t := Tile(i & 7)
				m := Mem{Base: b.r, Stride: x.r, Disp: d}
				at := fmt.Sprintf("[%s+%s*1%+d]", b.name, x.name, d)
				add(load(t, m), "tileloadd tmm%d, %s", t, at)
				add(loadT1(t, m), "tileloaddt1 tmm%d, %s", t, at)
				add(store(m, t), "tilestored %s, tmm%d", at, t)
			}
		}
	}
	for i := range 8 {
		for j := range 8 {
			for k := range 8 {
				if i == j || j == k || i == k {
					continue
				}
				acc, a, b := Tile(i), Tile(j), Tile(k)
				for _, op := range []struct {
					name string
					code []byte
				}{
					{"tdpbssd", dotSS(acc, a, b)}, {"tdpbsud", dotSU(acc, a, b)}, {"tdpbusd", dotUS(acc, a, b)},
					{"tdpbuud", dotUU(acc, a, b)}, {"tdpbf16ps", dotBF16(acc, a, b)},
				} {
					add(op.code, "%s tmm%d, tmm%d, tmm%d", op.name, i, j, k)
				}
			}
		}
	}
	return text, code
}

// TestAgainstAssembler compares every form with what GNU as writes.
func TestAgainstAssembler(t *testing.T) {
	text, code := every()
	out := assemble(t, text)
	at := 0
	for i, c := range code {
		if !bytes.HasPrefix(out[at:], c) {
			t.Fatalf("%s: is %x, as writes %x", text[i], c, out[at:min(at+len(c), len(out))])
		}
		at += len(c)
	}
	if at != len(out) {
		t.Fatalf("as writes %d bytes, want %d", len(out), at)
	}
}

// assemble returns the bytes that GNU as makes of Intel assembly.
func assemble(t *testing.T, text []string) []byte {
	as, err := exec.LookPath("as")
	if err != nil {
		t.Skip("needs binutils: ", err)
	}
	objcopy, err := exec.LookPath("objcopy")
	if err != nil {
		t.Skip("needs binutils: ", err)
	}
	dir := t.TempDir()
	src, obj, bin := filepath.Join(dir, "a.s"), filepath.Join(dir, "a.o"), filepath.Join(dir, "a.bin")
	if err := os.WriteFile(src, []byte(".intel_syntax noprefix\n.text\n"+strings.Join(text, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(as, "--64", "-o", obj, src).CombinedOutput(); err != nil {
		if regexp.MustCompile(`no such instruction`).Match(out) {
			t.Skipf("this as does not know AMX on x86-64: %.200s", out)
		}
		t.Fatalf("as: %s", out)
	}
	if out, err := exec.Command(objcopy, "-O", "binary", "-j", ".text", obj, bin).CombinedOutput(); err != nil {
		t.Fatalf("objcopy: %s", out)
	}
	out, err := os.ReadFile(bin)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
