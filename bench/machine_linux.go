package bench

import (
	"bufio"
	"io"
	"os"
	"strings"
)

// cpuBrand reads /proc/cpuinfo, whose names for the processor differ between
// architectures.
func cpuBrand() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	return brandOf(f)
}

// brandOf returns the processor that a cpuinfo file names, "" for none.
func brandOf(r io.Reader) string {
	fields := map[string]string{}
	s := bufio.NewScanner(io.LimitReader(r, 1<<20))
	for s.Scan() {
		k, v, ok := strings.Cut(s.Text(), ":")
		k = strings.TrimSpace(k)
		if _, seen := fields[k]; ok && !seen {
			fields[k] = strings.Join(strings.Fields(v), " ")
		}
	}
	for _, k := range []string{"model name", "Model", "Hardware", "cpu model", "uarch", "cpu"} {
		if v := fields[k]; v != "" {
			return v
		}
	}
	if part := fields["CPU part"]; part != "" {
		return "implementer " + fields["CPU implementer"] + " part " + part
	}
	return ""
}
