package main

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/goqat/goqat/bench"
)

// counts are the comparisons of what is counted: memory and allocations.
func counts(ctx context.Context, only *regexp.Regexp) ([]result, error) {
	value := map[string]float64{}
	for _, suite := range bench.Suites() {
		for _, name := range bench.SuiteNames(suite) {
			kind, _, _ := strings.Cut(name, "/")
			if kind != "memory" && kind != "allocs" || !only.MatchString(kind) {
				continue
			}
			rs, err := bench.RunSuite(ctx, suite, bench.SuiteOptions{Threads: 1, Filter: "^" + regexp.QuoteMeta(name) + "$"})
			if err != nil {
				return nil, err
			}
			for _, r := range rs {
				value[r.Name] = r.Value
			}
		}
	}
	return countResults(value), nil
}

// countResults compares counts by their names.
func countResults(value map[string]float64) []result {
	var rs []result
	bar := func(v float64) *float64 { return &v }
	for _, model := range []string{"cnn", "mlp"} {
		for _, kind := range []struct{ name, title string }{{"qat", "ranges observed"}, {"qat-frozen", "ranges frozen"}} {
			own, ok := value["memory/"+model+"/"+kind.name+"/b128"]
			float, has := value["memory/"+model+"/float/b128"]
			if ok && has {
				rs = append(rs, result{Work: fmt.Sprintf("activations kept for the backward pass, %s, batch 128, %s", model, kind.title),
					Goqat: megabytes(own), Peer: megabytes(float) + ", own float step", Ratios: []float64{own / float}, What: "of it", Must: bar(0.4), Aim: bar(0.3)})
			}
		}
	}
	for _, kind := range []struct{ prefix, title string }{{"allocs/step/", "a step"}, {"allocs/infer/", "an inference"}} {
		most, n, worst := 0.0, 0, ""
		for _, name := range slices.Sorted(maps.Keys(value)) {
			if strings.HasPrefix(name, kind.prefix) {
				n++
				if v := value[name]; v > most {
					most, worst = v, ": "+strings.TrimPrefix(name, "allocs/")
				}
			}
		}
		if n > 0 {
			rs = append(rs, result{Work: fmt.Sprintf("allocations in %s, most of %d kinds", kind.title, n), Goqat: digits(most) + worst, Ratios: []float64{most}, Must: bar(0), Aim: bar(0)})
		}
	}
	return rs
}

func megabytes(bytes float64) string { return digits(bytes/1e6) + " MB" }
