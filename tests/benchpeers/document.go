package main

import (
	"fmt"
	"strings"
)

// Blocks of the document are written between these lines, one for each
// machine.
func beginMark(name string) string { return "<!-- bench-peers begin " + name + " -->" }
func endMark(name string) string   { return "<!-- bench-peers end " + name + " -->" }

// section is the heading that a document has for the blocks.
const section = "## Against the peers"

// block is the text of a report between its marks.
func (r *report) block() string {
	var w strings.Builder
	fmt.Fprintf(&w, "### %s\n\n", r.Name)
	fmt.Fprintf(&w, "%s: `%s`.\n\n", r.Date, r.Command)
	for _, m := range append(append([]string{}, r.Machine...), r.Versions...) {
		fmt.Fprintf(&w, "- %s\n", cell(m))
	}
	of := "the median of its runs"
	if r.Fastest {
		of = "its fastest run, as others use the machine"
	}
	fmt.Fprintf(&w, "\nOne thread unless said. %d rounds in turn, %s. A round's figure is %s;\n", r.Rounds, r.Window, of)
	fmt.Fprintf(&w, "figures are the medians of the rounds, ratios the medians of the rounds' ratios, with the least and the greatest.\n\n")
	w.WriteString("| work | goqat | beside | ratio | must | aim | |\n|---|---|---|---|---|---|---|\n")
	for i := range r.Results {
		x := &r.Results[i]
		cells := []string{x.Work, x.Goqat, x.Peer, x.spread(), x.bar(x.Must), x.bar(x.Aim), x.verdict()}
		for i, c := range cells {
			cells[i] = cell(c)
		}
		fmt.Fprintf(&w, "| %s |\n", strings.Join(cells, " | "))
	}
	return w.String()
}

// cell makes text fit into one cell of a table.
func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}

// withBlock returns the document with the block of a machine: in the place of
// that of the same name, else behind the last one of [section].
func withBlock(doc, name, block string) (string, error) {
	begin, end := beginMark(name), endMark(name)
	block = begin + "\n\n" + strings.TrimSpace(block) + "\n\n" + end
	from, to := strings.Index(doc, begin), strings.Index(doc, end)
	switch {
	case strings.Count(doc, begin) > 1 || strings.Count(doc, end) > 1:
		return "", fmt.Errorf("two blocks are called %s", name)
	case from >= 0 && to > from:
		return doc[:from] + block + doc[to+len(end):], nil
	case from >= 0 || to >= 0:
		return "", fmt.Errorf("only one of the lines %s and %s, or in the wrong order", begin, end)
	}
	head := strings.Index(doc, section+"\n")
	if head < 0 {
		return "", fmt.Errorf("no heading %q to write the table below", section)
	}
	after := head + len(section)
	rest := doc[after:]
	until := strings.Index(rest, "\n## ")
	if until < 0 {
		return strings.TrimRight(doc, "\n") + "\n\n" + block + "\n", nil
	}
	return doc[:after] + strings.TrimRight(rest[:until], "\n") + "\n\n" + block + "\n" + rest[until:], nil
}

// nameOf makes the name of a machine from its processor and its instruction
// set.
func nameOf(cpu, isa string) string {
	f := strings.FieldsFunc(strings.ToLower(cpu+" "+isa), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	return strings.Join(f, "-")
}
