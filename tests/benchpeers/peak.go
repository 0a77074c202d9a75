package main

import (
	"context"
	"fmt"

	"github.com/goqat/goqat/backend/cpu"
)

// peak is the time that operations would take at the peak of the int8 unit,
// which a small loop measures in every round.
type peak struct {
	isa        string // the best that may be used, "" for all
	operations float64
}

// rate returns the operations a second, and the instruction set.
func (p *peak) rate() (rate float64, isa string, err error) {
	err = (&own{isa: p.isa, threads: 1}).bounded(func() error {
		var ok bool
		if rate, isa, ok = cpu.PeakRate(cpu.PeakInt8); !ok {
			return fmt.Errorf("%w: this build has no loop for the peak", errPeer)
		}
		return nil
	})
	return rate, isa, err
}

func (p *peak) prepare(context.Context) (measured, error) {
	_, isa, err := p.rate()
	return measured{Note: isa, Unit: "GOP/s", Rate: p.operations / 1e6}, err
}

func (p *peak) times(context.Context, window) ([]float64, error) {
	rate, _, err := p.rate()
	if err != nil {
		return nil, err
	}
	return []float64{p.operations / rate * 1000}, nil
}

func (p *peak) release() {}
