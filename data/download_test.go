package data

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tiny is a collection of 4 and 2 images of 1 by 1, and its files by name.
func tiny(t *testing.T, mirrors ...string) (*idxCollection, map[string][]byte) {
	t.Helper()
	raw := [4][]byte{
		idx([]byte{10, 20, 30, 40}, 4, 1, 1), idx([]byte{0, 1, 0, 1}, 4),
		idx([]byte{50, 60}, 2, 1, 1), idx([]byte{1, 0}, 2),
	}
	c := &idxCollection{name: "tiny", mirrors: mirrors, mean: 0.5, std: 0.25, classes: []string{"a", "b"}}
	files := map[string][]byte{}
	for i, name := range []string{"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"} {
		sum := sha256.Sum256(raw[i])
		c.files[i] = published{name, int64(len(raw[i])), hex.EncodeToString(sum[:])}
		files["/"+name+".gz"] = zipped(t, raw[i])
	}
	return c, files
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/"
}

func serveFiles(files map[string][]byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if b, ok := files[r.URL.Path]; ok {
			w.Write(b) // the client sees a short body
			return
		}
		http.NotFound(w, r)
	}
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestDownload(t *testing.T) {
	var hits atomic.Int32
	c, files := tiny(t)
	h := serveFiles(files)
	dead := serve(t, http.NotFound)
	c.mirrors = []string{dead, serve(t, func(w http.ResponseWriter, r *http.Request) { hits.Add(1); h(w, r) })}
	dir := filepath.Join(t.TempDir(), "deep", "dir")
	var told []string
	opt := &Options{Progress: func(s string) { told = append(told, s) }, Normalize: true}
	s, err := c.open(t.Context(), dir, opt)
	require.NoError(t, err)
	assert.Len(t, entries(t, dir), 4, "and no temporary file")
	assert.EqualValues(t, 4, hits.Load())
	assert.Len(t, told, 8)
	x, y := all(t, s.Val)
	assert.Equal(t, []int32{1, 0}, y)
	assert.Equal(t, []float32{(float32(50)/255 - 0.5) / 0.25, (float32(60)/255 - 0.5) / 0.25}, x)

	_, err = c.open(t.Context(), dir, &Options{Offline: true})
	require.NoError(t, err, "now from the folder")
	assert.EqualValues(t, 4, hits.Load())

	// A data set of the same form under the same names is the user's own.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "t10k-labels-idx1-ubyte"), idx([]byte{0, 0}, 2), 0o600))
	s, err = c.open(t.Context(), dir, &Options{Offline: true})
	require.NoError(t, err)
	_, y = all(t, s.Val)
	assert.Equal(t, []int32{0, 0}, y)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "t10k-labels-idx1-ubyte"), idx([]byte{0, 2}, 2), 0o600))
	_, err = c.open(t.Context(), dir, &Options{Offline: true})
	checkOneLine(t, err, ErrData, "label 2", "t10k-labels-idx1-ubyte")
}

func TestDownloadFailures(t *testing.T) {
	c, files := tiny(t)
	first := "/" + c.files[0].name + ".gz"
	other := map[string][]byte{first: zipped(t, idx([]byte{1, 2, 3, 4}, 4, 1, 1))}
	cases := map[string]struct {
		handler http.HandlerFunc
		says    string
	}{
		"not found": {http.NotFound, "404"},
		"checksum":  {serveFiles(other), "not the published file"},
		"not gzip":  {serveFiles(map[string][]byte{first: []byte("<html>captive portal</html>")}), "not a gzip file"},
		"cut gzip":  {serveFiles(map[string][]byte{first: files[first][:20]}), "damaged gzip"},
		"declared too large": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99999999999")
		}, "over the limit"},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}, "may have"},
		"cut transfer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "60")
			w.Write(files[first][:30]) // the point of the test
		}, "broke off"},
		"bomb": {serveFiles(map[string][]byte{first: zipped(t, make([]byte, 8<<20))}), "not the published file"},
	}
	for name, h := range cases {
		t.Run(name, func(t *testing.T) {
			c.mirrors = []string{serve(t, h.handler)}
			dir := filepath.Join(t.TempDir(), "new")
			_, err := c.open(t.Context(), dir, &Options{})
			checkOneLine(t, err, ErrDownload, h.says, "put train-images-idx3-ubyte.gz", c.mirrors[0], dir)
			_, err = os.Stat(dir)
			require.ErrorIs(t, err, os.ErrNotExist, "the folder that was made for it is gone")
		})
	}
	t.Run("switched off", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "new")
		_, err := c.open(t.Context(), dir, &Options{Offline: true})
		checkOneLine(t, err, ErrDownload, "switched off", dir)
	})
	t.Run("no host", func(t *testing.T) {
		s := httptest.NewServer(http.NotFoundHandler())
		c.mirrors = []string{s.URL + "/"}
		s.Close()
		dir := t.TempDir()
		_, err := c.open(t.Context(), dir, &Options{})
		checkOneLine(t, err, ErrDownload, "refused", dir)
		assert.Empty(t, entries(t, dir))
	})
	t.Run("folder is a file", func(t *testing.T) {
		path := write(t, "f", nil)
		_, err := c.open(t.Context(), path, &Options{})
		require.Error(t, err)
		assert.ErrorContains(t, err, path)
	})
}

// TestDownloadCanceled cancels while the body is under way.
func TestDownloadCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, files := tiny(t)
	first := files["/"+c.files[0].name+".gz"]
	c.mirrors = []string{serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "60")
		w.Write(first[:20]) // the client sees a short body
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		cancel()
		<-r.Context().Done()
	}), "http://never.invalid/"}
	dir := filepath.Join(t.TempDir(), "new")
	start := time.Now()
	_, err := c.open(ctx, dir, &Options{})
	require.ErrorIs(t, err, context.Canceled)
	assert.NotContains(t, strings.TrimSuffix(err.Error(), dir), "no such host", "the second mirror is not tried")
	assert.Less(t, time.Since(start), fileTimeout/10)
	_, err = os.Stat(dir)
	require.ErrorIs(t, err, os.ErrNotExist)
}
