package data

import (
	"fmt"
	"io"
	"os"
)

// readFile reads a whole regular file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	if !st.Mode().IsRegular() {
		return nil, badData(path, "not a regular file")
	}
	if st.Size() > limit {
		return nil, badData(path, "%d bytes are over the limit of %d", st.Size(), limit)
	}
	b := make([]byte, st.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, badData(path, "the file shrank while it was read: %w", err)
	}
	return b, nil
}
