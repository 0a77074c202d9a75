package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/goqat/goqat/target"
)

func newTargets(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "targets",
		Short: "Targets, their constraints, and whether they can run here",
		RunE:  func(*cobra.Command, []string) error { return a.targets() },
	}
}

// targetInfo is one element of the JSON of targets.
type targetInfo struct {
	Name        string   `json:"name"`
	About       string   `json:"about"`
	Constraints []string `json:"constraints"`
	Runs        bool     `json:"runs_here"`
	Missing     string   `json:"missing,omitempty"`
}

func (a *app) targets() error {
	var all []targetInfo
	for _, name := range target.Names() {
		t, err := target.Lookup(name)
		if err != nil {
			return err
		}
		i := targetInfo{Name: name, About: t.About(), Constraints: t.Constraints(), Runs: true}
		if err := t.Runnable(); err != nil {
			i.Runs, i.Missing = false, err.Error()
		}
		all = append(all, i)
	}
	return a.print(all, func(w io.Writer) {
		for _, i := range all {
			runs := "runs here"
			if !i.Runs {
				runs = "does not run here: " + i.Missing
			}
			fmt.Fprintf(w, "%s: %s (%s)\n", i.Name, i.About, runs)
			for _, c := range i.Constraints {
				fmt.Fprintf(w, "  - %s\n", c)
			}
		}
	})
}
