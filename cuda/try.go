//go:build cuda

package cuda

// Try issues commands behind those added so far, waits for them and returns
// their fault, of which [Queue.Wait] then tells nothing: for commands that may
// fail. A fault of those before is kept for Wait, and returned here, too.
func (q *Queue) Try(tag any, cmds ...Command) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.wait(); err != nil {
		return err
	}
	q.pending = append(q.pending, cmds...)
	for range cmds {
		q.tags = append(q.tags, tag)
	}
	err := q.c.Do(q.finish)
	if err != nil && q.c.Lost() == nil {
		_ = q.c.Do(q.finish) // Those ahead of the one that failed.
	}
	return err
}
