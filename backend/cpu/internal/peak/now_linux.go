package peak

import (
	"time"

	"golang.org/x/sys/unix"
)

// Now returns the time that this thread has run for, so that differences do
// not count what other programs took in between. The caller locks its
// goroutine to the thread.
func Now() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return time.Since(began)
	}
	return time.Duration(t.Nano())
}
