package data

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrDownload is wrapped when a published file is not there and cannot be had.
var ErrDownload = errors.New("cannot download")

// fileTimeout bounds the download of one file.
const fileTimeout = 10 * time.Minute

// downloader is http.DefaultClient with a bound on each wait, so that an
// unreachable host is noticed in seconds.
var downloader = &http.Client{Transport: &http.Transport{
	Proxy:                 http.ProxyFromEnvironment,
	DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	TLSHandshakeTimeout:   10 * time.Second,
	ResponseHeaderTimeout: 20 * time.Second,
	DisableCompression:    true, // the files are .gz already
}}

// download puts one file of the collection, gzipped, into dir and returns its
// path. Its contents equal the published ones or the error says why not.
func (c *idxCollection) download(ctx context.Context, dir string, f published, opt *Options) (string, error) {
	if opt.Offline {
		return "", c.advise(dir, f, errors.New("downloads are switched off"))
	}
	made, err := makeDir(dir)
	if err != nil {
		return "", c.advise(dir, f, err)
	}
	path := filepath.Join(dir, f.name+".gz")
	var errs []error
	for _, base := range c.mirrors {
		url := base + f.name + ".gz"
		opt.progress("downloading %s", url)
		if err = fetch(ctx, downloader, url, path, f); err == nil {
			return path, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	if made != "" {
		os.Remove(made) // fails, as it should, when something is in it
	}
	return "", c.advise(dir, f, joinLine(errs))
}

// joinLine is errors.Join in one line.
func joinLine(errs []error) error {
	err := errs[0]
	for _, e := range errs[1:] {
		err = fmt.Errorf("%w; %w", err, e)
	}
	return err
}

// makeDir makes dir and its parents and returns dir if it was not there before.
func makeDir(dir string) (made string, err error) {
	if _, err := os.Stat(dir); err == nil {
		return "", nil
	}
	return dir, os.MkdirAll(dir, 0o777)
}

// advise says in one line what is missing, why, and what the user can do.
func (c *idxCollection) advise(dir string, f published, cause error) error {
	names := make([]string, len(c.files))
	for i, g := range c.files {
		names[i] = g.name + ".gz"
	}
	return fmt.Errorf("data: %s: %w %s.gz: %w; put %s from %s into %s",
		c.name, ErrDownload, f.name, cause, strings.Join(names, ", "), strings.Join(c.mirrors, " or "), dir)
}

// fetch downloads url to path. The file is written beside path under a
// temporary name, checked, and renamed, so path is either complete or untouched.
func fetch(ctx context.Context, client *http.Client, url, path string, f published) (err error) {
	ctx, cancel := context.WithTimeout(ctx, fileTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err // names the method and the URL already
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	// Deflate never makes data much larger than it is.
	limit := f.size + f.size/100 + 1<<16
	if resp.ContentLength > limit {
		return fmt.Errorf("%s has %d bytes, over the limit of %d", url, resp.ContentLength, limit)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		tmp.Close()
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	n, err := io.Copy(tmp, io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s broke off after %d bytes: %w", url, n, err)
	case n > limit:
		return fmt.Errorf("%s has more than the %d bytes it may have", url, limit)
	case resp.ContentLength >= 0 && n != resp.ContentLength:
		return fmt.Errorf("%s broke off after %d of %d bytes", url, n, resp.ContentLength)
	}
	if err := verify(tmp, f); err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	if err := tmp.Chmod(0o644); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// verify gunzips r from its start and compares size and SHA-256.
func verify(r io.ReadSeeker, f published) error {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	z, err := gzip.NewReader(r)
	if err != nil {
		return fmt.Errorf("not a gzip file: %w", err)
	}
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(z, f.size+1))
	if err != nil {
		return fmt.Errorf("damaged gzip file: %w", err)
	}
	if sum := hex.EncodeToString(h.Sum(nil)); n != f.size || sum != f.sha256 {
		return fmt.Errorf("%d bytes with SHA-256 %.12s… instead of %d with %.12s…: not the published file", n, sum, f.size, f.sha256)
	}
	return nil
}
