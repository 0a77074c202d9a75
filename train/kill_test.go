package train_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/train"
	"github.com/goqat/goqat/train/checkpoint"
)

const killDir = "GOQAT_TEST_KILL_DIR"

// killSteps is the length of the training that is killed again and again.
const killEpochs, killSteps = 12, 96

// TestMain runs the training to be killed when the parent test asks for it.
func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		t := &testing.T{}
		_, err := killed(t, dir, &announce{})
		fmt.Println("end", err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// announce prints every step; the one before it is saved by then.
type announce struct{}

func (announce) Step(s train.StepInfo) error { _, err := fmt.Println(s.Step); return err }
func (announce) Epoch(train.EpochInfo) error { return nil }
func killConfig() train.Config               { c := config(killEpochs); c.SaveEvery = 1; return c }
func stateHash(s *checkpoint.State) string   { return hashNamed(s.Tensors) }
func hashNamed(ts []checkpoint.Named) string {
	h := sha256.New()
	for _, n := range ts {
		fmt.Fprintf(h, "%s %v\n", n.Name, n.Tensor.Spec())
		h.Write(n.Tensor.Bytes())
	}
	return hex.EncodeToString(h.Sum(nil))
}

func killed(t testing.TB, dir string, cb train.Callback) (*train.Result, error) {
	g, phases := prepared(t, killSteps)
	return train.Fit(context.Background(), g, killConfig(), train.Options{State: start(t, g), Train: newBlobs(128), Phases: phases, EvalMode: graph.Eval,
		Dir: dir, Resume: true, Callbacks: []train.Callback{cb}})
}

// golden records the hash of the checkpoint of every step.
type golden struct {
	dir    string
	hashes map[int64]string
}

func (g *golden) record() error {
	s, err := checkpoint.Load(train.CheckpointDir(g.dir))
	if err != nil {
		return err
	}
	g.hashes[s.Step] = stateHash(s)
	return nil
}

func (g *golden) Step(s train.StepInfo) error {
	if s.Step == 1 {
		return nil
	}
	return g.record()
}
func (g *golden) Epoch(train.EpochInfo) error { return nil }

// TestKill kills a training that saves every step, 200 times at random
// moments, and goes on from what it left: no checkpoint is lost, and each has
// the bits of an undisturbed run.
func TestKill(t *testing.T) {
	kills := 200
	if testing.Short() {
		kills = 15
	}
	want := &golden{dir: t.TempDir(), hashes: map[int64]string{}}
	_, err := killed(t, want.dir, want)
	require.NoError(t, err)
	require.NoError(t, want.record())

	exe, err := os.Executable()
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(4, 4))
	dir := t.TempDir()
	for k := range kills {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), killDir+"="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		// Kill some steps into the run, at a random moment of a step.
		stop, last, ended := r.IntN(6), int64(0), false
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			step, err := strconv.ParseInt(lines.Text(), 10, 64)
			if err != nil {
				ended = true
				break
			}
			last = step
			if n == stop {
				time.AfterFunc(time.Duration(r.IntN(3000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
			}
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		s, err := checkpoint.Load(train.CheckpointDir(dir))
		if last <= 1 && errors.Is(err, checkpoint.ErrNotFound) {
			continue // Killed before the first one was whole.
		}
		require.NoError(t, err, "kill %d after step %d", k, last)
		require.GreaterOrEqual(t, s.Step, last-1, "kill %d lost a checkpoint", k)
		require.Equal(t, want.hashes[s.Step], stateHash(s), "kill %d: step %d", k, s.Step)
		if ended || s.Step == killSteps {
			dir = t.TempDir()
		}
	}
}
