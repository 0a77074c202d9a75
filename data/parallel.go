package data

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// parallel calls f for 0 to n-1 from several goroutines and waits for all. It
// stops early on an error and returns that of the lowest number among those that
// were tried; f must not depend on the order.
func parallel(ctx context.Context, n int, f func(worker, i int) error) error {
	var (
		next   atomic.Int64
		failed atomic.Bool
		mu     sync.Mutex
		first  = n
		err    error
		wg     sync.WaitGroup
	)
	for w := range workers(n) {
		wg.Go(func() {
			for ctx.Err() == nil && !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if e := f(w, i); e != nil {
					failed.Store(true)
					mu.Lock()
					if i < first {
						first, err = i, e
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if err != nil {
		return err
	}
	return ctx.Err()
}

// workers returns how many goroutines [parallel] uses for n calls.
func workers(n int) int { return max(1, min(runtime.GOMAXPROCS(0), n)) }
