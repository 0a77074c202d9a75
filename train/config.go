package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strings"

	"github.com/goqat/goqat/program"
)

// ErrConfig is the cause of every error about a [Config].
var ErrConfig = errors.New("invalid training config")

// Config is a training as data.
type Config struct {
	Epochs    int       `json:"epochs"`
	Batch     int       `json:"batch"`
	LR        float64   `json:"lr"`
	Optimizer Optimizer `json:"optimizer"`
	Schedule  Schedule  `json:"schedule"`
	// Loss is "cross_entropy" (the default) or "reconstruction": the mean
	// squared error between input and output of an autoencoder.
	Loss           string  `json:"loss,omitempty"`
	LabelSmoothing float64 `json:"label_smoothing,omitempty"`
	// ClipNorm bounds the norm of all gradients together, 0 for no bound.
	ClipNorm float64 `json:"clip_norm,omitempty"`
	// EMA is the decay of a moving average of the weights, 0 for none. With
	// it, evaluation and the result use the average.
	EMA float64 `json:"ema,omitempty"`
	// Distill weighs the teacher's probabilities against the labels, 0 to 1,
	// at the given Temperature (1 when 0). It needs a teacher.
	Distill     float64 `json:"distill,omitempty"`
	Temperature float64 `json:"temperature,omitempty"`
	// Patience stops after so many epochs without a better validation
	// result and returns the best weights; 0 never stops.
	Patience int `json:"patience,omitempty"`
	// NoDecay lists patterns of parameters without weight decay; nil means
	// learned scales only.
	NoDecay []string `json:"no_decay,omitempty"`
	Seed    uint64   `json:"seed"`
	// SaveEvery is the number of steps between checkpoints, 0 for one an
	// epoch.
	SaveEvery int `json:"save_every,omitempty"`
	// Ranks is the number of devices that share the batch, each with the same
	// number of samples; 0 and 1 are one. The result depends on it where
	// something looks at a part of the batch: batch normalization's statistics.
	Ranks int `json:"ranks,omitempty"`
	// BucketMiB is the size of the buckets in which gradients go between
	// devices, 25 when 0.
	BucketMiB int `json:"bucket_mib,omitempty"`
}

// Optimizer chooses the update of the parameters.
type Optimizer struct {
	// Name is "sgd", "adam" or "adamw".
	Name        string  `json:"name"`
	Momentum    float64 `json:"momentum,omitempty"`
	Nesterov    bool    `json:"nesterov,omitempty"`
	WeightDecay float64 `json:"weight_decay,omitempty"`
	// Beta1, Beta2 and Eps of Adam; 0.9, 0.999 and 1e-8 when 0.
	Beta1 float64 `json:"beta1,omitempty"`
	Beta2 float64 `json:"beta2,omitempty"`
	Eps   float64 `json:"eps,omitempty"`
}

// Schedule is the learning rate over the steps, a factor of Config.LR.
type Schedule struct {
	// Name is "constant", "step", "cosine" or "onecycle".
	Name string `json:"name"`
	// Warmup is the fraction of all steps in which the rate rises linearly
	// from 0; for onecycle the fraction of the rise (0.3 when 0).
	Warmup float64 `json:"warmup,omitempty"`
	// Every and Gamma: step multiplies by Gamma (0.1 when 0) at each
	// fraction Every (1/3 when 0) of the steps.
	Every float64 `json:"every,omitempty"`
	Gamma float64 `json:"gamma,omitempty"`
	// Final is the last rate of cosine, as a factor.
	Final float64 `json:"final,omitempty"`
	// CycleMomentum moves the momentum of sgd against the rate of onecycle,
	// from 0.05 over Optimizer.Momentum to 0.05 under it and back, as PyTorch
	// does by default.
	CycleMomentum bool `json:"cycle_momentum,omitempty"`
}

// DefaultConfig returns the recipe of the demo: SGD with momentum 0.9 and a
// one-cycle schedule.
func DefaultConfig() Config {
	return Config{Epochs: 6, Batch: 128, LR: 0.2, Seed: 1,
		Optimizer: Optimizer{Name: "sgd", Momentum: 0.9, WeightDecay: 1e-4}, Schedule: Schedule{Name: "onecycle", CycleMomentum: true}}
}

// ReadConfig reads a JSON config of at most 1 MiB; unknown fields are refused.
func ReadConfig(r io.Reader) (Config, error) {
	var c Config
	d := json.NewDecoder(io.LimitReader(r, 1<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, fmt.Errorf("train: config: %w: %w", ErrConfig, err)
	}
	return c, c.Validate()
}

// Validate returns all faults of c, joined, nil when there are none.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf("train: "+format, a...)) }
	if c.Epochs < 1 {
		bad("epochs is %d: want at least 1", c.Epochs)
	}
	if c.Batch < 1 {
		bad("batch is %d: want at least 1", c.Batch)
	}
	if !(c.LR > 0) || math.IsInf(c.LR, 0) {
		bad("lr is %v: want a positive number", c.LR)
	}
	in01 := func(name string, v float64) {
		if !(v >= 0 && v <= 1) {
			bad("%s is %v: want 0 to 1", name, v)
		}
	}
	in01("label_smoothing", c.LabelSmoothing)
	in01("ema", c.EMA)
	in01("distill", c.Distill)
	in01("schedule.warmup", c.Schedule.Warmup)
	in01("schedule.every", c.Schedule.Every)
	in01("optimizer.momentum", c.Optimizer.Momentum)
	in01("optimizer.beta1", c.Optimizer.Beta1)
	in01("optimizer.beta2", c.Optimizer.Beta2)
	for _, f := range []struct {
		name string
		v    float64
	}{{"clip_norm", c.ClipNorm}, {"temperature", c.Temperature}, {"optimizer.weight_decay", c.Optimizer.WeightDecay}, {"optimizer.eps", c.Optimizer.Eps}, {"schedule.gamma", c.Schedule.Gamma}, {"schedule.final", c.Schedule.Final}} {
		if !(f.v >= 0) || math.IsInf(f.v, 0) {
			bad("%s is %v: want a number from 0 on", f.name, f.v)
		}
	}
	if c.Patience < 0 || c.SaveEvery < 0 {
		bad("patience and save_every must not be negative")
	}
	if c.Ranks < 0 || c.BucketMiB < 0 || c.BucketMiB > 1<<20 {
		bad("ranks and bucket_mib must not be negative, and a bucket must fit into memory")
	}
	if c.Ranks > 1 && c.Batch > 0 && c.Batch%c.Ranks != 0 {
		bad("a batch of %d cannot be shared by %d devices: want a multiple of %d, such as %d", c.Batch, c.Ranks, c.Ranks, (c.Batch+c.Ranks-1)/c.Ranks*c.Ranks)
	}
	switch c.Loss {
	case "", "cross_entropy", "reconstruction":
	default:
		bad("unknown loss %q: have cross_entropy, reconstruction", c.Loss)
	}
	switch c.Optimizer.Name {
	case "sgd":
		if c.Optimizer.Nesterov && c.Optimizer.Momentum == 0 {
			bad("optimizer.nesterov needs a momentum")
		}
	case "adam", "adamw":
		if c.Optimizer.Momentum != 0 || c.Optimizer.Nesterov {
			bad("optimizer.momentum and nesterov are for sgd, not %s", c.Optimizer.Name)
		}
	default:
		bad("unknown optimizer %q: have sgd, adam, adamw", c.Optimizer.Name)
	}
	switch c.Schedule.Name {
	case "constant", "step", "cosine", "onecycle":
	default:
		bad("unknown schedule %q: have constant, step, cosine, onecycle", c.Schedule.Name)
	}
	if c.Schedule.CycleMomentum && (c.Schedule.Name != "onecycle" || c.Optimizer.Name != "sgd" || !(c.Optimizer.Momentum >= 0.05 && c.Optimizer.Momentum <= 0.95)) {
		bad("schedule.cycle_momentum needs the onecycle schedule and sgd with a momentum from 0.05 to 0.95")
	}
	if c.Distill > 0 && c.Loss == "reconstruction" {
		bad("distill needs the cross_entropy loss")
	}
	for _, p := range c.NoDecay {
		if _, err := path.Match(p, ""); err != nil {
			bad("no_decay: %q is not a pattern", p)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n%w", ErrConfig, errors.Join(errs...))
}

// ranks returns the number of devices.
func (c *Config) ranks() int { return max(c.Ranks, 1) }

// parallel returns the place of a rank.
func (c *Config) parallel(rank int) program.Parallel {
	return program.Parallel{Rank: rank, Ranks: c.ranks(), Bucket: int64(c.BucketMiB) << 20}
}

// decays reports whether weight decay applies to a parameter.
func (c *Config) decays(name string) bool {
	if c.NoDecay == nil {
		return !strings.HasSuffix(name, ".scale")
	}
	for _, p := range c.NoDecay {
		if ok, err := path.Match(p, name); err == nil && ok {
			return false
		}
	}
	return true
}

// momentum returns the momentum of a step of total.
func (c *Config) momentum(step, total int64) float64 {
	const reach, low = 0.05, 1.0 / 25
	if !c.Schedule.CycleMomentum {
		return c.Optimizer.Momentum
	}
	// Both follow the same cosines: where the rate is low the momentum is
	// high.
	up := c.Schedule.Warmup
	if up == 0 {
		up = 0.3
	}
	r := c.Schedule.Rate(step, total)
	f := (r - low) / (1 - low)
	if float64(step) > up*float64(total)-1 {
		f = (r - low/1e4) / (1 - low/1e4)
	}
	return c.Optimizer.Momentum + reach - 2*reach*f
}

// Rate returns the factor of the learning rate at a step of total, the first
// step being 0. One-cycle is Smith and Topin's in PyTorch's form: from 1/25
// up to 1 and down to 1/250,000 along cosines.
func (s Schedule) Rate(step, total int64) float64 {
	if total < 1 {
		total = 1
	}
	t := float64(step)
	n := float64(total)
	cos := func(from, to, f float64) float64 { return to + (from-to)*(1+math.Cos(math.Pi*f))/2 }
	if s.Name == "onecycle" {
		up := s.Warmup
		if up == 0 {
			up = 0.3
		}
		peak := up*n - 1
		if t <= peak {
			return cos(1.0/25, 1, t/max(peak, 1))
		}
		return cos(1, 1.0/25/1e4, min((t-peak)/max(n-1-peak, 1), 1))
	}
	w := math.Floor(s.Warmup * n)
	if t < w {
		return (t + 1) / w
	}
	switch s.Name {
	case "step":
		every, gamma := s.Every, s.Gamma
		if every == 0 {
			every = 1.0 / 3
		}
		if gamma == 0 {
			gamma = 0.1
		}
		return math.Pow(gamma, math.Floor(t/(every*n)+1e-9))
	case "cosine":
		return cos(1, s.Final, min((t-w)/max(n-w, 1), 1))
	}
	return 1
}
