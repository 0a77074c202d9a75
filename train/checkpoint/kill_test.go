package checkpoint

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/internal/durable"
)

// childEnv names the directory to which the test binary, started again by
// TestKill, saves until it is killed.
const childEnv = "GOQAT_CHECKPOINT_CHILD"

const killWeights = 20_000

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1) // it never ends by itself
	}
	os.Exit(m.Run())
}

// child goes on from the last checkpoint and prints each step after its Save
// has returned.
func child(dir string) error {
	step := int64(0)
	s, err := Load(dir)
	switch {
	case err == nil:
		step = s.Step + 1
	case !errors.Is(err, ErrNotFound):
		return err
	}
	for ; ; step++ {
		if err := Save(context.Background(), dir, stateAt(step, step, killWeights)); err != nil {
			return err
		}
		if _, err := fmt.Println(step); err != nil {
			return err
		}
	}
}

// A process that saves in a loop is killed at random moments; what is loaded
// is the last step that it reported, or the one it was about to report.
func TestKill(t *testing.T) {
	if runtime.GOOS == "js" || runtime.GOOS == "wasip1" {
		t.Skip("processes cannot be started here")
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(9, 9))
	rounds := 50
	if testing.Short() {
		rounds = 10
	}
	last, temps := int64(-1), 0
	// A busy machine may kill children before their first save: more rounds
	// then, until they got somewhere.
	for round := 0; round < rounds || last <= int64(rounds/2) && round < 20*rounds; round++ {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for range rng.IntN(3) {
			if !lines.Scan() {
				break
			}
			last, err = strconv.ParseInt(lines.Text(), 10, 64)
			require.NoError(t, err)
		}
		// The moment of the kill is random; nothing is asserted about time.
		time.Sleep(time.Duration(rng.IntN(6000)) * time.Microsecond)
		require.NoError(t, cmd.Process.Kill())
		for lines.Scan() { // what it had reported before it died
			last, err = strconv.ParseInt(lines.Text(), 10, 64)
			require.NoError(t, err, "round %d: %q", round, lines.Text())
		}
		require.Error(t, cmd.Wait())

		for _, name := range ls(t, durable.OS{}, dir) {
			if _, ok := durable.TempOf(name); ok {
				temps++
			}
		}
		s, err := Load(dir)
		if last < 0 && errors.Is(err, ErrNotFound) {
			continue
		}
		require.NoError(t, err, "round %d", round)
		require.True(t, s.Step == last || s.Step == last+1, "round %d: reported %d, loaded %d", round, last, s.Step)
		require.Empty(t, s.Warnings, "round %d", round)
		requireWhole(t, s, killWeights)
		last = s.Step
	}
	require.Greater(t, last, int64(rounds/2), "the children got somewhere")
	t.Logf("%d kills, %d saves, %d temporary files left by kills", rounds, last+1, temps)

	require.NoError(t, Save(t.Context(), dir, stateAt(last+1, last+1, killWeights)))
	require.Equal(t, 2, len(ls(t, durable.OS{}, dir)), "leftovers are gone")
}
