package data

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// labelled is a file and its class.
type labelled struct {
	path  string
	class int32
}

// collection is what a folder of one folder a class holds.
type collection struct {
	train, val []labelled
	names      []string
}

// valNames are the folders beside "train" that hold the validation part.
var valNames = []string{"val", "valid", "validation", "test"}

// scan lists the files of dir that end in one of exts (lower case). It knows
// DIR/CLASS/FILE, and DIR/train/CLASS/FILE with DIR/val/CLASS/FILE. With
// byPrefix a folder without folders is one whose files are called
// CLASS_ANYTHING.
func scan(dir string, exts []string, byPrefix bool, opt *Options) (*collection, error) {
	top, files, err := list(dir, exts)
	if err != nil {
		return nil, err
	}
	if slices.Contains(top, "train") {
		for _, v := range valNames {
			if slices.Contains(top, v) {
				return scanParts(filepath.Join(dir, "train"), filepath.Join(dir, v), exts)
			}
		}
	}
	var c collection
	var all []labelled
	switch {
	case len(top) > 0:
		c.names = top
		all, err = classFiles(dir, top, exts)
	case byPrefix:
		c.names, all, err = prefixFiles(dir, files)
	default:
		err = badData(dir, "no folders; put the files in one folder a class")
	}
	if err != nil {
		return nil, err
	}
	labels := make([]int32, len(all))
	for i, f := range all {
		labels[i] = f.class
	}
	train, val, err := splitIndex(len(all), labels, opt.ValFraction, derive(opt.Seed, 0))
	if err != nil {
		return nil, badData(dir, "%w", err)
	}
	c.train, c.val = pick(all, train), pick(all, val)
	return &c, nil
}

func pick(all []labelled, index []int32) []labelled {
	out := make([]labelled, len(index))
	for k, i := range index {
		out[k] = all[i]
	}
	return out
}

func scanParts(train, val string, exts []string) (*collection, error) {
	var c collection
	names, _, err := list(train, exts)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, badData(train, "no folders; put the files in one folder a class")
	}
	c.names = names
	valClasses, _, err := list(val, exts)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(names, valClasses) {
		return nil, badData(val, "its classes %v are not those of %s, %v", valClasses, train, names)
	}
	if c.train, err = classFiles(train, names, exts); err != nil {
		return nil, err
	}
	c.val, err = classFiles(val, names, exts)
	return &c, err
}

// list returns the folders and the matching files in dir, both sorted. Names
// that begin with a dot are left out.
func list(dir string, exts []string) (folders, files []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("data: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		mode := e.Type()
		if mode&fs.ModeSymlink != 0 {
			st, err := os.Stat(filepath.Join(dir, e.Name()))
			if err != nil {
				return nil, nil, fmt.Errorf("data: %w", err)
			}
			mode = st.Mode()
		}
		switch {
		case mode.IsDir():
			folders = append(folders, e.Name())
		case mode.IsRegular() && slices.Contains(exts, strings.ToLower(filepath.Ext(e.Name()))):
			files = append(files, e.Name())
		}
	}
	return folders, files, nil
}

func classFiles(dir string, classes, exts []string) ([]labelled, error) {
	if len(classes) > MaxClasses {
		return nil, badData(dir, "%d folders are over %d classes", len(classes), MaxClasses)
	}
	var all []labelled
	for i, name := range classes {
		folder := filepath.Join(dir, name)
		_, files, err := list(folder, exts)
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, badData(folder, "no %s file in this class; add some or remove the folder", strings.Join(exts, " or "))
		}
		for _, f := range files {
			all = append(all, labelled{filepath.Join(folder, f), int32(i)})
		}
	}
	return all, nil
}

// prefixFiles takes the class from the name up to the first "_".
func prefixFiles(dir string, files []string) (names []string, all []labelled, err error) {
	if len(files) == 0 {
		return nil, nil, badData(dir, "no folder and no sound file; put the files in one folder a class")
	}
	for _, f := range files {
		class, _, ok := strings.Cut(f, "_")
		if !ok || class == "" {
			return nil, nil, badData(filepath.Join(dir, f), "the name has no class before a \"_\"; put the files in one folder a class")
		}
		names = append(names, class)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > MaxClasses {
		return nil, nil, badData(dir, "%d classes are over %d", len(names), MaxClasses)
	}
	for _, f := range files {
		class, _, _ := strings.Cut(f, "_")
		i, _ := slices.BinarySearch(names, class)
		all = append(all, labelled{filepath.Join(dir, f), int32(i)})
	}
	return names, all, nil
}

// limitFiles returns a random subset of n files in their old order; it is what
// [limit] does, before the files are read.
func limitFiles(files []labelled, n int, seed uint64) []labelled {
	if n == 0 || len(files) <= n {
		return files
	}
	order := make([]int32, len(files))
	for i := range order {
		order[i] = int32(i)
	}
	shuffle(order, seed)
	slices.Sort(order[:n])
	return pick(files, order[:n])
}
