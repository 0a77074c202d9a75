package data

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"testing"
	"time"
	"math"
)

func TestDump(t *testing.T) {
	for i := 0; i < 1000; i++ {
		x := float64(i)/77 - 3
		if math.Abs(sinTurn(x)-math.Sin(2*math.Pi*x)) > 1e-14 { t.Fatal(x) }
		if x > 0 && math.Abs(logOf(x)-math.Log(x)) > 1e-15*(1+math.Abs(math.Log(x))) { t.Fatal(x, logOf(x)-math.Log(x)) }
		if math.Abs(expOf(x)/math.Exp(x)-1) > 1e-15 { t.Fatal(x, expOf(x)/math.Exp(x)-1) }
	}
	out := os.Getenv("DUMP")
	if out == "" { t.Skip() }
	n := 7500
	pix := make([]byte, n*784)
	lab := make([]byte, n)
	var c canvas
	t0 := time.Now()
	for i := range n { lab[i] = byte(c.digit(1, uint64(i), pix[i*784:(i+1)*784])) }
	t.Log(time.Since(t0))
	os.WriteFile(out+"/pix.bin", pix, 0o644)
	os.WriteFile(out+"/lab.bin", lab, 0o644)
	const S = 3
	img := image.NewGray(image.Rect(0, 0, 20*30*S/2*1, 14*30*S/2*1))
	img = image.NewGray(image.Rect(0, 0, 20*60, 12*60))
	for k := 0; k < 240; k++ {
		ox, oy := k%20*60, k/20*60
		for y := 0; y < 56; y++ { for x := 0; x < 56; x++ {
			img.SetGray(ox+x, oy+y, color.Gray{pix[k*784+y/2*28+x/2]})
		}}
	}
	f, _ := os.Create(out+"/sheet.png"); png.Encode(f, img); f.Close()
}
