package bench

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot/vg"

	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/train"
)

// sampleReport is a report with everything in it.
func sampleReport() *Report {
	r := &Report{
		Title: "cnn on digits", Command: "goqat demo", Created: time.Date(2026, 11, 23, 14, 5, 6, 0, time.UTC), Data: "digits",
		Machine: Machine{CPU: "A Processor @ 2.00GHz", Cores: 2, OS: "linux", Arch: "amd64", Go: "go1.26", ISA: "avx512vnni"},
		Notes:   []string{"Whole run: 61 s."},
	}
	row := func(model, target string, acc, ms float64, bytes, mem int64, note string) {
		loss := 0.06
		r.Rows = append(r.Rows, Row{Model: model, Target: target, Accuracy: &acc, Loss: &loss, FileBytes: bytes, PeakBytes: mem, Note: note,
			Latency: Latency{Batch: 1, Warmup: 5, Runs: int(1000 / ms), P50: ms, P90: ms * 1.07, P99: ms * 1.6, Mean: ms * 1.03, Throughput: 1000 / ms}})
	}
	row("float", "cpu float32", 0.9835, 0.412, 97_412, 412_000, "")
	row("qat W8A8", "onnx-qdq", 0.9830, 0.151, 34_711, 131_100, "converted = trained")
	row("qat W8A8", "onnx-qoperator", 0.9830, 0.149, 31_904, 131_100, "converted = trained")
	row("qat W8A8", "tflite", 0.9840, 0.158, 30_112, 131_900, "converted = trained")
	row("qat W8A8", "ethosu", 0.9840, 0.158, 30_400, 131_900, "converted = trained")
	row("qat W8A8", "tensorcore-cpu", 0.9830, 0.081, 36_010, 141_000, "converted = trained")
	row("qat W8A8", "cmsis-nn", 0.9840, 0.162, 33_212, 131_900, "converted = trained")
	r.Rows = append(r.Rows, Row{Model: "qat W8A8", Target: "nvdla", Note: "target: nvdla cannot take this model (2 violations):\n  block1: the zero point is not 0\n  pool: a window of 7x7"})
	acc := func(w, a int, method string, v float64) {
		r.Bits = append(r.Bits, BitsPoint{w, a, method, v})
	}
	acc(32, 32, "float", 0.9835)
	acc(8, 8, "ptq", 0.9825)
	acc(4, 8, "ptq", 0.9705)
	acc(4, 8, "qat", 0.9815)
	acc(4, 4, "ptq", 0.8811)
	acc(4, 4, "qat", 0.9745)
	acc(2, 4, "ptq", 0.4102)
	acc(2, 4, "qat", 0.9433)
	acc(8, 8, "qat", 0.9830)
	rng := rand.New(rand.NewPCG(4, 4))
	curve := func(name string, epochs, steps int, from, to float64) {
		c := Curve{Name: name}
		for i := range steps * epochs {
			f := float64(i) / float64(steps*epochs)
			c.Losses = append(c.Losses, (to+(from-to)*math.Exp(-6*f))*(1+0.3*rng.NormFloat64()*f*0.5))
			c.Rates = append(c.Rates, 0.1*(1-f))
		}
		for e := range epochs {
			c.Epochs = append(c.Epochs, train.EpochInfo{Epoch: e + 1, Step: int64(steps * (e + 1)), Loss: to, Accuracy: 0.99 - 0.2*to - 0.05*math.Exp(-float64(e)), ValLoss: to})
		}
		r.Curves = append(r.Curves, c)
	}
	curve("float", 5, 140, 2.2, 0.05)
	curve("qat W4A8", 2, 140, 0.12, 0.06)
	curve("qat W4A4", 2, 140, 0.5, 0.09)
	curve("qat W2A4", 2, 140, 1.4, 0.2)
	curve("qat onnx-qdq", 2, 140, 0.07, 0.05)
	for i, name := range []string{"input", "block1.conv.weight", "block1.relu", "block2.conv.weight", "block2.relu", "block3.conv.weight", "block3.relu", "pool", "linear.weight", "logits"} {
		t := qat.TensorReport{Name: name, Weight: i%2 == 1 && i < 9 && name != "pool", Scheme: "uint8 affine per_tensor", SQNR: 44 - 1.7*float64(i), Counts: make([]int, 64)}
		t.Weight = len(name) > 6 && name[len(name)-6:] == "weight"
		if t.Weight {
			t.Scheme, t.Min, t.Max, t.Lo, t.Hi = "int8 symmetric narrow per_channel(0)", -0.61, 0.55, -0.61, 0.61
		} else {
			t.Min, t.Max, t.Lo, t.Hi = 0, 4.9, 0, 3.7
		}
		if name == "input" || name == "logits" {
			t.Min, t.Max, t.Lo, t.Hi = -2.1, 2.8, -2.0, 2.55
		}
		for range 40_000 {
			v := rng.NormFloat64() * (t.Max - t.Min) / 8
			if t.Min < 0 {
				v += (t.Max + t.Min) / 2
			}
			b := int((v - t.Min) / (t.Max - t.Min) * 64)
			t.Counts[min(max(b, 0), 63)]++
		}
		t.Scale = [2]float64{(t.Hi - t.Lo) / 255, (t.Hi - t.Lo) / 255}
		r.Tensors = append(r.Tensors, t)
	}
	r.Tensors[7].SQNR = 200
	return r
}

func pageOf(t *testing.T, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, r.WriteHTML(&b))
	return b.String()
}

var svgElement = regexp.MustCompile(`(?s)<svg .*?</svg>`)

// checkSVGs parses every plot of a page as XML and returns how many there are.
func checkSVGs(t *testing.T, page string) int {
	t.Helper()
	all := svgElement.FindAllString(page, -1)
	require.Len(t, all, strings.Count(page, "<svg"))
	for _, s := range all {
		d := xml.NewDecoder(strings.NewReader(s))
		for {
			tok, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, s)
			if e, ok := tok.(xml.StartElement); ok {
				assert.Contains(t, []string{"svg", "g", "path", "text"}, e.Name.Local)
				for _, a := range e.Attr {
					assert.NotContains(t, a.Value, "NaN", s)
					assert.NotContains(t, a.Value, "Inf", s)
				}
			}
		}
		assert.Contains(t, s, `viewBox="0 0 `)
		assert.NotRegexp(t, `<svg[^>]* width=`, s)
	}
	return len(all)
}

func TestHTML(t *testing.T) {
	p := pageOf(t, sampleReport())
	// Size and latency, bits, loss, accuracy, two of SQNR, and a histogram a
	// tensor.
	assert.Equal(t, 6+10, checkSVGs(t, p))
	for _, s := range []string{"cnn on digits", "A Processor @ 2.00GHz", "2026-11-23 14:05:06 UTC", "tensorcore-cpu", "98.35 %", "3.23× smaller", "the zero point is not 0", "int8 symmetric narrow per_channel(0)", "Whole run: 61 s."} {
		assert.Contains(t, p, s)
	}
	assert.NotContains(t, p, "<?xml")
	assert.NotContains(t, p, "ZgotmplZ", "the template refused a value")
	same := sampleReport()
	same.Created = same.Created.In(time.FixedZone("elsewhere", 3600))
	assert.Equal(t, p, pageOf(t, same), "the same report gives the same bytes")
}

// TestHTMLNeedsNothingElse looks for anything that a browser would fetch or
// run.
func TestHTMLNeedsNothingElse(t *testing.T) {
	p := strings.ReplaceAll(pageOf(t, sampleReport()), "http://www.w3.org/2000/svg", "")
	for _, s := range []string{"http:", "https:", "<script", "<link", "<img", "src=", "href=", "@import", "url(", "javascript:", " on"} {
		if s == " on" {
			assert.NotRegexp(t, `<[^>]* on[a-z]+=`, p)
			continue
		}
		assert.NotContains(t, strings.ToLower(p), s)
	}
}

// TestPaintsAreInTheStyleSheet finds every color that plots use in both
// schemes and for print.
func TestPaintsAreInTheStyleSheet(t *testing.T) {
	p := pageOf(t, sampleReport())
	assert.NotRegexp(t, `style="[^"]*#[0-9A-Fa-f]{6}`, p, "a color that does not follow the scheme")
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`var\(--([a-z0-9]+)\)`).FindAllStringSubmatch(p, -1) {
		used[m[1]] = true
	}
	for _, n := range paintNames {
		used[n] = true
	}
	for n := range used {
		if n == "part" || n == "c" {
			continue
		}
		assert.Equal(t, 3, len(regexp.MustCompile(`--`+n+`: #`).FindAllString(pageCSS, -1)), "--%s is in light, dark and print", n)
	}
	for i := range uint8(len(paintNames)) {
		for _, opacity := range []float64{0, 0.13, 0.3, 0.85, 1} {
			r, g, b, a := paint{i, opacity}.RGBA()
			f := 255.0 / float64(a)
			assert.Equal(t, [3]int{1, 2, int(i)}, [3]int{int(float64(r) * f), int(float64(g) * f), int(float64(b) * f)})
		}
	}
}

func TestHTMLLeavesOutWhatIsEmpty(t *testing.T) {
	p := pageOf(t, &Report{})
	assert.Zero(t, checkSVGs(t, p))
	assert.NotContains(t, p, "<section")
	assert.NotContains(t, p, "<table")
	assert.Contains(t, p, "goqat report")
	one := sampleReport()
	one.Rows, one.Bits, one.Curves, one.Tensors, one.Notes = one.Rows[:1], nil, nil, nil, nil
	p = pageOf(t, one)
	assert.Zero(t, checkSVGs(t, p))
	assert.Contains(t, p, "98.35 %")
	assert.NotContains(t, p, "Training")
}

const hostile = "</svg></style><script>alert(1)</script>\"'&<b x=\"\x00\xff\u202e\n#010205 style=\"fill:#010205\""

func hostileReport() *Report {
	r := sampleReport()
	r.Title, r.Command, r.Data, r.Notes = hostile, hostile, hostile, []string{hostile}
	r.Machine = Machine{CPU: hostile, OS: hostile, Arch: hostile, Go: hostile, ISA: hostile}
	for i := range r.Rows {
		r.Rows[i].Model, r.Rows[i].Target, r.Rows[i].Note = hostile, hostile, hostile
	}
	for i := range r.Curves {
		r.Curves[i].Name = hostile
	}
	for i := range r.Bits {
		r.Bits[i].Method += hostile
	}
	for i := range r.Tensors {
		r.Tensors[i].Name, r.Tensors[i].Scheme = hostile, hostile
	}
	return r
}

func TestHTMLEscapes(t *testing.T) {
	p := pageOf(t, hostileReport())
	assert.NotContains(t, p, "<script")
	assert.NotContains(t, p, "<b x")
	assert.NotContains(t, p, "\x00")
	assert.NotContains(t, p, "\u202e")
	assert.True(t, utf8.ValidString(p))
	assert.Equal(t, 16, checkSVGs(t, p))
	assert.Equal(t, 1, strings.Count(p, "</style>"))
	var b bytes.Buffer
	hostileReport().WriteTable(&b)
	assert.NotContains(t, b.String(), "\x00")
}

// TestHTMLSurvivesNumbers puts every kind of bad number everywhere: the page
// leaves out what it cannot draw.
func TestHTMLSurvivesNumbers(t *testing.T) {
	for _, v := range []float64{0, -1, math.NaN(), math.Inf(1), math.Inf(-1), 1e300, -1e300, 1e-300, 1e12} {
		for _, half := range []bool{false, true} {
			r := sampleReport()
			for i := range r.Rows {
				if half && i%2 == 0 {
					continue
				}
				r.Rows[i].Accuracy, r.Rows[i].Loss = &v, &v
				r.Rows[i].Latency = Latency{1, 1, 1, v, v, v, v, v}
				r.Rows[i].FileBytes = int64(max(min(v, 1e18), -1e18))
			}
			for i := range r.Bits {
				if !half || i%2 == 1 {
					r.Bits[i].Accuracy = v
				}
			}
			for i := range r.Curves {
				for j := range r.Curves[i].Losses {
					if !half || j%2 == 1 {
						r.Curves[i].Losses[j] = v
					}
				}
				for j := range r.Curves[i].Epochs {
					if !half || j%2 == 1 {
						r.Curves[i].Epochs[j].Accuracy, r.Curves[i].Epochs[j].Epoch = v, math.MaxInt
					}
				}
			}
			for i := range r.Tensors {
				q := &r.Tensors[i]
				q.SQNR, q.Max, q.Hi = v, v, v
				if !half {
					q.Min, q.Lo, q.Scale = v, v, [2]float64{v, v}
					for j := range q.Counts {
						q.Counts[j] = int(int32(max(min(v, 1e9), -1e9)))
					}
				}
			}
			checkSVGs(t, pageOf(t, r))
			r.WriteTable(io.Discard)
		}
	}
}

func TestHTMLIsBounded(t *testing.T) {
	r := sampleReport()
	for len(r.Tensors) < 400 {
		r.Tensors = append(r.Tensors, r.Tensors[0])
	}
	for len(r.Rows) < 200 {
		r.Rows = append(r.Rows, r.Rows[1])
	}
	p := pageOf(t, r)
	assert.Equal(t, 6+maxHistograms, checkSVGs(t, p))
	assert.Contains(t, p, "120 of 400 histograms")
	assert.Contains(t, p, "64 of 200 rows in the plot")
}

func TestJSONRoundTrip(t *testing.T) {
	r := sampleReport()
	var b bytes.Buffer
	require.NoError(t, r.WriteJSON(&b))
	got, err := ReadJSON(bytes.NewReader(b.Bytes()))
	require.NoError(t, err)
	assert.Equal(t, r, got)
	for _, key := range []string{`"p50_ms"`, `"samples_per_s"`, `"file_bytes"`, `"sqnr_db"`, `"val_loss"`} {
		assert.Contains(t, b.String(), key)
	}
	r.Rows[0].Latency.Mean = math.NaN()
	require.Error(t, r.WriteJSON(io.Discard))
}

func TestReadJSONRefuses(t *testing.T) {
	for _, s := range []string{
		"", "{", "[]", `"x"`, "{} {}", "{}]", `{"rows":[{"accuracy":1.5}]}`, `{"rows":[{"file_bytes":-1}]}`,
		`{"rows":[{"latency":{"p50_ms":2,"p90_ms":1}}]}`, `{"rows":[{"latency":{"p50_ms":-2}}]}`,
		`{"bits":[{"weights":0,"activations":8,"accuracy":0.5}]}`, `{"tensors":[{"min":1,"max":0}]}`, `{"tensors":[{"counts":[-1]}]}`,
		`{"curves":[{"epochs":[{"epoch":-1}]}]}`, `{"rows":[{"latency":{"mean_ms":1e999}}]}`, strings.Repeat(`{"rows":`, 20_000),
	} {
		_, err := ReadJSON(strings.NewReader(s))
		require.ErrorIs(t, err, ErrReport, s)
	}
	_, err := readJSON(&spaces{}, 1000)
	require.ErrorContains(t, err, "over 1000 bytes")
	_, err = ReadJSON(iotest.ErrReader(io.ErrUnexpectedEOF))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// spaces never ends.
type spaces struct{}

func (spaces) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func FuzzReadJSON(f *testing.F) {
	var b bytes.Buffer
	r := sampleReport()
	r.Tensors, r.Curves = r.Tensors[:2], nil
	require.NoError(f, r.WriteJSON(&b))
	f.Add(b.Bytes())
	f.Add([]byte(`{"rows":[{"model":"a","latency":{"runs":1,"p50_ms":1,"p90_ms":1,"p99_ms":1}},{"file_bytes":1}]}`))
	f.Add([]byte(`{"bits":[{"weights":8,"activations":8,"accuracy":1},{"weights":4,"activations":8}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ReadJSON(bytes.NewReader(b))
		if err != nil {
			return
		}
		require.NoError(t, r.WriteHTML(io.Discard))
		r.WriteTable(io.Discard)
		var again bytes.Buffer
		require.NoError(t, r.WriteJSON(&again))
		back, err := ReadJSON(&again)
		require.NoError(t, err)
		require.NoError(t, back.WriteHTML(io.Discard))
	})
}

func TestWriteFiles(t *testing.T) {
	r, dir := sampleReport(), t.TempDir()
	h, j := filepath.Join(dir, "r.html"), filepath.Join(dir, "r.json")
	require.NoError(t, r.WriteFiles(h, j))
	b, err := os.ReadFile(h)
	require.NoError(t, err)
	assert.Equal(t, pageOf(t, r), string(b))
	f, err := os.Open(j)
	require.NoError(t, err)
	defer f.Close()
	_, err = ReadJSON(f)
	require.NoError(t, err)

	// What cannot be written leaves the old file.
	r.Rows[0].Latency.Mean = math.NaN()
	require.Error(t, r.WriteFiles("", j))
	require.NoError(t, r.WriteFiles("", ""))
	_, err = f.Seek(0, io.SeekStart)
	require.NoError(t, err)
	_, err = ReadJSON(f)
	require.NoError(t, err)
	names, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, names, 2)
	require.Error(t, r.WriteFiles(filepath.Join(dir, "none", "r.html"), ""))
}

func TestAxes(t *testing.T) {
	labels := func(a axis) (s []string) {
		for _, t := range a.ticks {
			s = append(s, t.Label)
		}
		return s
	}
	assert.Equal(t, []string{"0.0", "0.1", "0.2", "0.3", "0.4", "0.5"}, labels(linearAxis(0, 0.43, 5)))
	assert.Equal(t, []string{"−2", "0", "2", "4"}, labels(linearAxis(-1.2, 3.9, 4)))
	assert.Equal(t, []string{"96", "97", "98", "99", "100"}, labels(linearAxis(96.4, 100, 5)))
	assert.Equal(t, []string{"0.05", "0.1", "0.2", "0.5", "1", "2", "5"}, labels(logAxis(0.06, 2.2)))
	assert.Equal(t, []string{"1", "2", "3"}, labels(integerAxis(1, 3)))
	for _, a := range []axis{linearAxis(3, 3, 5), linearAxis(0, 0, 5), linearAxis(1e12, 1e12, 5), linearAxis(0, 1e-29, 4), logAxis(1e-9, 1e12), logAxis(1, 1), integerAxis(1e12-3, 1e12), integerAxis(2, 2)} {
		assert.Less(t, a.min, a.max)
		assert.NotEmpty(t, a.ticks)
		assert.Less(t, len(a.ticks), 40)
	}
	a := logAxis(1e-9, 1e12)
	assert.LessOrEqual(t, a.min, 1e-9)
	assert.GreaterOrEqual(t, a.max, 1e12)
}

// TestLabelsDoNotOverlap places labels of points so close that not all fit
// beside them.
func TestLabelsDoNotOverlap(t *testing.T) {
	inside := vg.Rectangle{Max: vg.Point{X: 480, Y: 260}}
	var taken []vg.Rectangle
	for i := range 16 {
		at := vg.Point{X: 200 + vg.Length(i%4), Y: 120 + vg.Length(i/4)}
		box, _ := place(at, 70, 12, inside, taken)
		for _, o := range taken {
			assert.False(t, box.Min.X < o.Max.X && box.Max.X > o.Min.X && box.Min.Y < o.Max.Y && box.Max.Y > o.Min.Y)
		}
		taken = append(taken, box)
	}
	box, near := place(vg.Point{X: 10, Y: 10}, 9999, 12, inside, nil)
	assert.False(t, near)
	assert.Equal(t, inside.Min.X, box.Min.X)
}

func TestClipped(t *testing.T) {
	q := &qat.TensorReport{Min: 0, Max: 4, Lo: 1, Hi: 3.5, Counts: []int{10, 20, 30, 40}}
	assert.InDelta(t, (10+20.0)/100, clipped(q), 1e-12)
	q.Scale[1] = 1 // Half a step beyond the ends rounds to them.
	assert.InDelta(t, 5.0/100, clipped(q), 1e-12)
	assert.Zero(t, clipped(&qat.TensorReport{}))
	assert.Equal(t, 1.0, clipped(&qat.TensorReport{Min: 5, Max: 5, Hi: 1, Counts: []int{3}}))
}

func TestSmoothAndThin(t *testing.T) {
	ps := smooth([]float64{3, 3, math.NaN(), 3})
	require.Len(t, ps, 3)
	for _, p := range ps {
		assert.InDelta(t, 3, p.Y, 1e-12, "no bias at the start")
	}
	assert.Equal(t, 4.0, ps[2].X)
	long := smooth(make([]float64, 10_000))
	some := thin(long, 400)
	assert.Len(t, some, 400)
	assert.Equal(t, long[0], some[0])
	assert.Equal(t, long[9999], some[399])
}
