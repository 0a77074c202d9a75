package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func ptr(v float64) *float64 { return &v }

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		median    float64
		higher    bool
		must, aim *float64
		want      string
	}{
		{6, true, ptr(6), nil, "met"},
		{5.999, true, ptr(6), nil, "**not met**"},
		{7, true, ptr(6), ptr(7), "aim met"},
		{6.5, true, ptr(6), ptr(7), "met, aim not"},
		{5, true, ptr(6), ptr(7), "**not met**"},
		{0.7, false, ptr(0.7), ptr(0.4), "met, aim not"},
		{0.71, false, ptr(0.7), ptr(0.4), "**not met**"},
		{0.4, false, ptr(0.7), ptr(0.4), "aim met"},
		{0.99, true, nil, ptr(1), "aim not met"},
		{1, true, nil, ptr(1), "aim met"},
		{1, true, nil, nil, "no bar"},
		{0, false, ptr(0), ptr(0), "aim met"},
		{0.2, false, ptr(0), ptr(0), "**not met**"},
	} {
		r := result{Ratios: []float64{c.median + 1, c.median, c.median - 1}, Higher: c.higher, Must: c.must, Aim: c.aim}
		assert.Equal(t, c.want, r.verdict(), "%+v", c)
	}
	assert.Equal(t, "**not measured**: why", (&result{Missing: "why", Must: ptr(1)}).verdict())
}

func TestDigits(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1: "1.00", 0.5239: "0.524", 13.72: "13.7", 137.2: "137", 13720: "13720", 0.00123456: "0.00123", -2.5: "-2.50", 9.999: "10.00"} {
		assert.Equal(t, want, digits(v))
	}
}

func TestCompare(t *testing.T) {
	ms := map[string]measured{
		"ours":   {Rounds: []float64{2, 4, 3}, Rate: 30, Unit: "GB/s"},
		"slow":   {Rounds: []float64{9, 9, 9}, Note: "as it is"},
		"best":   {Rounds: []float64{6, 6, 3}, Note: "mm"},
		"broken": {Error: "nothing called mm"},
	}
	r := compare(line{work: "w", ours: "ours", against: []string{"broken", "slow", "best"}, factor: 1, higher: true, must: 2, what: faster}, ms)
	assert.Equal(t, []float64{3, 1.5, 1}, r.Ratios, "of the peer that is best in all rounds")
	assert.Equal(t, "3.00 ms, 10.0 GB/s", r.Goqat)
	assert.Equal(t, "6.00 ms, best (mm)", r.Peer)
	assert.Equal(t, "**not met**", r.verdict())
	assert.Equal(t, "1.50× as fast (1.00× to 3.00×)", r.spread())
	assert.Equal(t, "≥ 2×", r.bar(r.Must))
	assert.Empty(t, r.bar(r.Aim))

	r = compare(line{ours: "ours", against: []string{"best"}, must: 0.7, what: lessTime}, ms)
	assert.Equal(t, []float64{2. / 6, 4. / 6, 1}, r.Ratios)
	assert.Equal(t, "≤ 0.7×", r.bar(r.Must))
	assert.Equal(t, "met", r.verdict())

	r = compare(line{ours: "ours", against: []string{"best"}, factor: 0.5, higher: true, percent: true, aim: 1, what: ofCopy}, ms)
	assert.Equal(t, "75 % of a copy of the same bytes (50 % to 150 %)", r.spread())
	assert.Equal(t, "≥ 100 %", r.bar(r.Aim))

	for _, l := range []line{{ours: "broken", against: []string{"best"}}, {ours: "ours", against: []string{"broken"}}} {
		r = compare(l, ms)
		assert.Empty(t, r.Ratios)
		assert.Equal(t, "nothing called mm", r.Missing)
	}
}

func TestCounts(t *testing.T) {
	rs := countResults(map[string]float64{
		"memory/cnn/float/b128": 20e6, "memory/cnn/qat/b128": 9e6, "memory/cnn/qat-frozen/b128": 3e6,
		"allocs/step/cnn/qat/b128": 0, "allocs/step/mlp/qat/b128": 0.5, "allocs/infer/cnn/int8/b128": 0,
	})
	require.Len(t, rs, 4)
	assert.Equal(t, []string{"**not met**", "aim met", "**not met**", "aim met"}, []string{rs[0].verdict(), rs[1].verdict(), rs[2].verdict(), rs[3].verdict()})
	assert.Equal(t, "0.450× of it", rs[0].spread())
	assert.Equal(t, "0.500: step/mlp/qat/b128", rs[2].Goqat)
	assert.Empty(t, countResults(nil))
}

func TestBlock(t *testing.T) {
	r := report{Name: "zen", Date: "2026-11-25", Command: "make bench-peers", Machine: []string{"A CPU, 2 cores", "kernels"}, Versions: []string{"PyTorch 2.15"}, Rounds: 3, Window: "at least 1s each", Results: []result{
		{Work: "step", Goqat: "1.00 ms", Peer: "2.00 ms, PyTorch", Ratios: []float64{0.5, 0.4, 0.6}, What: lessTime, Must: ptr(0.7), Aim: ptr(0.4)},
		{Work: "a|b", Missing: "two\nlines", Must: ptr(2), Higher: true, What: faster},
	}}
	assert.Equal(t, strings.Join([]string{
		"### zen", "",
		"2026-11-25: `make bench-peers`.", "", "- A CPU, 2 cores", "- kernels", "- PyTorch 2.15", "",
		"One thread unless said. 3 rounds in turn, at least 1s each. A round's figure is the median of its runs;",
		"figures are the medians of the rounds, ratios the medians of the rounds' ratios, with the least and the greatest.", "",
		"| work | goqat | beside | ratio | must | aim | |", "|---|---|---|---|---|---|---|",
		"| step | 1.00 ms | 2.00 ms, PyTorch | 0.500× of the time (0.400× to 0.600×) | ≤ 0.7× | ≤ 0.4× | met, aim not |",
		`| a\|b |  |  |  | ≥ 2× |  | **not measured**: two lines |`, "",
	}, "\n"), r.block())
	r.Fastest = true
	assert.Contains(t, r.block(), "A round's figure is its fastest run, as others use the machine;")
}

func TestDocument(t *testing.T) {
	const doc = "# T\n\n" + section + "\n\nWords.\n\n## Next\n\nEnd.\n"
	one, err := withBlock(doc, "a", "one\n")
	require.NoError(t, err)
	assert.Equal(t, "# T\n\n"+section+"\n\nWords.\n\n"+beginMark("a")+"\n\none\n\n"+endMark("a")+"\n\n## Next\n\nEnd.\n", one)
	two, err := withBlock(one, "b", "two")
	require.NoError(t, err)
	assert.Less(t, strings.Index(two, endMark("a")), strings.Index(two, beginMark("b")))
	assert.Less(t, strings.Index(two, endMark("b")), strings.Index(two, "## Next"))
	again, err := withBlock(two, "a", "three")
	require.NoError(t, err)
	assert.Equal(t, strings.Replace(two, "one", "three", 1), again)
	same, err := withBlock(again, "a", "three")
	require.NoError(t, err)
	assert.Equal(t, again, same)
	last, err := withBlock("# T\n\n"+section+"\n", "a", "one")
	require.NoError(t, err)
	assert.Equal(t, "# T\n\n"+section+"\n\n"+beginMark("a")+"\n\none\n\n"+endMark("a")+"\n", last)

	for name, bad := range map[string]string{
		"no section": "# T\n",
		"no end":     doc + beginMark("a"),
		"no begin":   doc + endMark("a"),
		"order":      doc + endMark("a") + beginMark("a"),
		"twice":      one + beginMark("a") + endMark("a"),
	} {
		_, err := withBlock(bad, "a", "x")
		require.Error(t, err, name)
	}
	assert.Equal(t, "amd-epyc-9b14-avx512vnni", nameOf("AMD EPYC 9B14", "avx512vnni"))
	assert.Equal(t, "intel-r-xeon-r-amx-int8", nameOf("Intel(R) Xeon(R)", "amx-int8"))
}
