package cpu

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goqat/goqat/backend/cpu/internal/isa"
)

// The worker goroutines of the process. A parallel call offers its tiles to
// idle workers and takes part itself, so it finishes even when all workers
// are busy with other programs.
var pool struct {
	once sync.Once
	jobs chan *job
	free chan *job
	n    atomic.Int32
}

const maxWorkers = 256

// job is one parallel loop. It is recycled when nobody refers to it.
type job struct {
	body     func(lo, hi int)
	n, grain int
	tiles    int64
	next     atomic.Int64
	left     atomic.Int64
	refs     atomic.Int32
	done     chan struct{}
	isDone   func() bool // that done holds something
	fault    atomic.Pointer[workerFault]
}

type workerFault struct {
	value any
	stack []byte
}

// Error describes a panic of a kernel on a worker goroutine.
func (f *workerFault) Error() string { return fmt.Sprintf("%v\n%s", f.value, f.stack) }

func startPool() {
	pool.jobs = make(chan *job, maxWorkers)
	pool.free = make(chan *job, 64)
}

func worker() {
	for {
		j := nextJob()
		j.work()
		j.release()
	}
}

// spinTime is how long a goroutine looks for what it waits for before it
// sleeps. Kernels of a step follow each other within microseconds, and to wake
// a thread takes 10 to 100 of them.
const spinTime = 50 * time.Microsecond

// spin calls look until it is true or the time is over, and returns what look
// returned last. Other goroutines get their turn in between.
func spin(look func() bool) bool {
	if runtime.GOMAXPROCS(0) > runtime.NumCPU() { // The one waited for may need this CPU.
		return look()
	}
	for begin := time.Now(); ; runtime.Gosched() {
		for range 16 {
			if look() {
				return true
			}
			isa.Relax()
		}
		if time.Since(begin) > spinTime {
			return false
		}
	}
}

func jobWaits() bool { return len(pool.jobs) > 0 }

// nextJob returns the next job that is offered.
func nextJob() *job {
	for spin(jobWaits) {
		select {
		case j := <-pool.jobs:
			return j
		default: // Another worker has it.
		}
	}
	return <-pool.jobs
}

// wait returns when all tiles are done.
func (j *job) wait() {
	spin(j.isDone)
	<-j.done
}

func (j *job) work() {
	for {
		t := j.next.Add(1) - 1
		if t >= j.tiles {
			return
		}
		j.tile(int(t))
		if j.left.Add(-1) == 0 {
			j.done <- struct{}{}
		}
	}
}

func (j *job) tile(t int) {
	defer func() {
		if v := recover(); v != nil {
			j.fault.CompareAndSwap(nil, &workerFault{v, debug.Stack()})
		}
	}()
	lo := t * j.grain
	j.body(lo, min(lo+j.grain, j.n))
}

func (j *job) release() {
	if j.refs.Add(-1) != 0 {
		return
	}
	j.body = nil
	select {
	case pool.free <- j:
	default:
	}
}

// parallel calls body for the tiles [0, grain), [grain, 2 grain), ... of
// [0, n) on all cores and returns when all are done. The tiles depend on n
// and grain alone. body is called from several goroutines at once; bind
// functions build it once, so that the call allocates nothing. A panic in
// body is raised again here.
func parallel(n, grain int, body func(lo, hi int)) {
	if n <= 0 {
		return
	}
	grain = max(grain, 1)
	tiles := (n + grain - 1) / grain
	procs := runtime.GOMAXPROCS(0)
	if tiles == 1 || procs == 1 {
		for lo := 0; lo < n; lo += grain {
			body(lo, min(lo+grain, n))
		}
		return
	}
	pool.once.Do(startPool)
	for int(pool.n.Load()) < min(procs, maxWorkers)-1 {
		pool.n.Add(1)
		go worker()
	}
	var j *job
	select {
	case j = <-pool.free:
	default:
		j = &job{done: make(chan struct{}, 1)}
		j.isDone = func() bool { return len(j.done) > 0 }
	}
	j.body, j.n, j.grain, j.tiles = body, n, grain, int64(tiles)
	j.next.Store(0)
	j.left.Store(int64(tiles))
	j.fault.Store(nil)
	helpers := min(procs, tiles) - 1
	j.refs.Store(int32(helpers) + 1)
	for range helpers {
		select {
		case pool.jobs <- j:
		default:
			j.refs.Add(-1)
		}
	}
	j.work()
	j.wait()
	f := j.fault.Load()
	j.release()
	if f != nil {
		panic(f)
	}
}

// grainFor returns a tile length for elementwise loops over n elements of
// about cost nanoseconds each: a multiple of 512 so that tiles of bit masks
// are whole bytes and whole cache lines, large enough to pay for the hand-over.
func grainFor(n, cost int) int {
	g := 65536 / max(cost, 1)
	g = max((g+511)/512*512, 512)
	if n <= g {
		return max(n, 1)
	}
	return g
}
