//go:build !linux

package peak

import "time"

// Now returns the time since the start of the process: this system does not
// tell that of a thread.
func Now() time.Duration { return time.Since(began) }
