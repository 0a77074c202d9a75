package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestEVEX compares the bytes of the instructions that the assembler of Go
// does not know with those of binutils.
func TestEVEX(t *testing.T) {
	if _, err := exec.LookPath("as"); err != nil {
		t.Skip("needs binutils: as, objcopy")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var source, want bytes.Buffer
	for i := range 3000 {
		rm, vvvv, dst := rng.IntN(32), rng.IntN(32), rng.IntN(32)
		name, pp, op := "vdpbf16ps", ppF3, 0x52
		if i&1 != 0 {
			name, pp, op = "vcvtne2ps2bf16", ppF2, 0x72
		}
		fmt.Fprintf(&source, "%s %%zmm%d, %%zmm%d, %%zmm%d\n", name, rm, vvvv, dst)
		for _, b := range evexBytes(pp, op, rm, vvvv, dst) {
			want.WriteByte(byte(b))
		}
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(path("a.s"), source.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][]string{{"as", "--64", "-o", path("a.o"), path("a.s")}, {"objcopy", "-O", "binary", "-j", ".text", path("a.o"), path("a.bin")}} {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			t.Skipf("%v: %v: %s", c, err, out)
		}
	}
	got, err := os.ReadFile(path("a.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got[:min(len(got), want.Len())], want.Bytes()) {
		t.Fatal("the bytes are not those of binutils")
	}
}
