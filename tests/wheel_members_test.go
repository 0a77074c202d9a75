//go:build linux || darwin

package tests

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// wheel is a package with two headers, a library of 4 MB that does not get
// smaller, and their hashes, of which the one of wrong is that of other bytes.
func wheel(t *testing.T, wrong string) []byte {
	library := make([]byte, 4<<20)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range library {
		library[i] = byte(r.Uint32())
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	record := ""
	add := func(name string, data []byte) {
		w, err := z.Create(name)
		require.NoError(t, err)
		_, err = w.Write(data)
		require.NoError(t, err)
		if name == wrong {
			data = append([]byte("x"), data...)
		}
		h := sha256.Sum256(data)
		record += fmt.Sprintf("%s,sha256=%s,%d\n", name, base64.RawURLEncoding.EncodeToString(h[:]), len(data))
	}
	add("some/lib/large.so", library[:2<<20])
	add("some/include/one.h", []byte("#define ONE 1\n"))
	add("some/lib/larger.so", library[2<<20:])
	add("some/include/deep/two.h", []byte("#define TWO 2\n"))
	w, err := z.Create("some_package-1.2.dist-info/RECORD")
	require.NoError(t, err)
	_, err = io.WriteString(w, record)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

// wheelIndex serves a package; sent counts the bytes of the wheel that were.
func wheelIndex(t *testing.T, data []byte, ranges bool) (url string, sent *atomic.Int64) {
	sent = &atomic.Int64{}
	const file = "some_package-1.2-py3-none-any.whl"
	mux := http.NewServeMux()
	mux.HandleFunc("/simple/some-package/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `<html><a href="../../files/some_package-1.1-py3-none-any.whl">old</a> <a href="../../files/%s#sha256=00">%[1]s</a></html>`, file)
	})
	mux.HandleFunc("/files/"+file, func(w http.ResponseWriter, r *http.Request) {
		c := &counted{ResponseWriter: w, n: sent}
		if !ranges {
			r.Header.Del("Range")
		}
		http.ServeContent(c, r, file, time.Time{}, bytes.NewReader(data))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL + "/simple", sent
}

type counted struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.n.Add(int64(n))
	return n, err
}

// members runs the script, and returns its output and exit code.
func members(t *testing.T, index, folder, pattern string) (out, text string, code int) {
	out = t.TempDir()
	c := exec.Command("python3", filepath.Join(root, "scripts", "wheel-members.py"), out, "some-package==1.2:"+pattern)
	c.Env = append(os.Environ(), "PIP_INDEX_URL="+index, "PIP_FIND_LINKS="+folder, "no_proxy=*", "PIP_CONFIG_FILE="+os.DevNull, "PIP_CERT=")
	b, err := c.CombinedOutput()
	if err != nil {
		e := &exec.ExitError{}
		require.ErrorAs(t, err, &e)
	}
	return out, string(b), c.ProcessState.ExitCode()
}

// TestWheelMembers: members come without the rest of the package, those whose
// hash is another do not, and what an index cannot do is said.
func TestWheelMembers(t *testing.T) {
	if exec.Command("python3", "-m", "pip", "--version").Run() != nil {
		t.Skip("no python3 with pip")
	}
	data := wheel(t, "")
	check := func(out, text string, code int) {
		require.Zero(t, code, text)
		for name, want := range map[string]string{"one.h": "#define ONE 1\n", "deep/two.h": "#define TWO 2\n"} {
			got, err := os.ReadFile(filepath.Join(out, "some", "include", name))
			require.NoError(t, err)
			require.Equal(t, want, string(got))
		}
		require.NoDirExists(t, filepath.Join(out, "some", "lib"))
	}
	url, sent := wheelIndex(t, data, true)
	out, text, code := members(t, url, "", "some/include/*.h")
	check(out, text, code)
	require.Less(t, sent.Load(), int64(len(data)/4), "most of the package is not fetched")
	require.Positive(t, sent.Load())

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "some_package-1.2-py3-none-any.whl"), data, 0o600))
	sent.Store(0)
	out, text, code = members(t, url, dir, "some/include/*.h")
	check(out, text, code)
	require.Zero(t, sent.Load(), "it is in a folder")

	for name, e := range map[string]struct {
		data    []byte
		ranges  bool
		pattern string
		code    int
		says    string
	}{
		"no ranges":   {data, false, "some/include/*.h", 77, "needs a package index that answers requests for a range of bytes"},
		"no member":   {data, true, "other/*.h", 77, "some-package==1.2 has no other/*.h"},
		"other bytes": {wheel(t, "some/include/deep/two.h"), true, "some/include/*.h", 1, "two.h has not the hash of its RECORD"},
	} {
		url, _ := wheelIndex(t, e.data, e.ranges)
		_, text, code := members(t, url, "", e.pattern)
		require.Equal(t, e.code, code, "%s: %s", name, text)
		require.Contains(t, strings.TrimSpace(text), e.says, name)
	}
	_, text, code = members(t, url+"/none", "", "*")
	require.Equal(t, 77, code)
	require.Contains(t, text, "needs a package index, or a folder of wheels by PIP_FIND_LINKS")
}
