package main

import (
	"context"
	"fmt"
)

// peak is the time that operations would take at the peak of the int8 unit.
type peak struct {
	isa        string
	operations float64
}

func (p *peak) prepare(context.Context) (measured, error) {
	return measured{}, fmt.Errorf("%w: no loop for the peak", errPeer)
}

func (p *peak) times(context.Context, window) ([]float64, error) { return nil, errPeer }

func (p *peak) release() {}
