package data

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/tensor"
)

func TestParseCSV(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		x      []float32
		names  []string
		labels []int32
	}{
		"plain":             {"1,2,a\n3,4,b\n5,6,a\n", []float32{1, 2, 3, 4, 5, 6}, []string{"a", "b"}, []int32{0, 1, 0}},
		"no last newline":   {"1,2,0\n3,4,1", []float32{1, 2, 3, 4}, []string{"0", "1"}, []int32{0, 1}},
		"windows and bom":   {"\xef\xbb\xbfx,y,kind\r\n1,2,0\r\n\r\n3,4,1\r\n", []float32{1, 2, 3, 4}, []string{"0", "1"}, []int32{0, 1}},
		"label first":       {"Label,p,q\nz,1,2\ny,3,4\n", []float32{1, 2, 3, 4}, []string{"z", "y"}, []int32{0, 1}},
		"numbers as header": {"0,1,label\n5,6,7\n", []float32{5, 6}, []string{"7"}, []int32{0}},
		"quotes":            {"\"1\",\" 2 \",\"a, \"\"b\"\"\nc\"\r\n3,4,d\n", []float32{1, 2, 3, 4}, []string{"a, \"b\"\nc", "d"}, []int32{0, 1}},
		"spaces":            {" 1 , -2e-3 , a b \n", []float32{1, -2e-3}, []string{"a b"}, []int32{0}},
		"string labels":     {"1,cat\n2,dog\n", []float32{1, 2}, []string{"cat", "dog"}, []int32{0, 1}},
	} {
		got, err := parseCSV([]byte(c.text))
		require.NoError(t, err, name)
		assert.Equal(t, c.x, got.x, name)
		assert.Equal(t, c.names, got.names, name)
		assert.Equal(t, c.labels, got.labels, name)
	}
}

func TestCSVRefused(t *testing.T) {
	for name, c := range map[string]struct {
		text         string
		line, column int
		says         string
	}{
		"empty":             {"", 0, 0, "empty"},
		"blank":             {"\n\r\n\n", 0, 0, "empty"},
		"header only":       {"a,b,label\n", 0, 0, "no row"},
		"one column":        {"1\n2\n", 1, 1, "one column"},
		"nan":               {"1,2,a\n3,NaN,b\n", 2, 2, "NaN"},
		"infinite":          {"1,2,a\n\n-inf,4,b\n", 3, 1, "remove the row"},
		"too large":         {"1,2,a\n1e99,4,b\n", 2, 1, "float32"},
		"word":              {"1,2,a\n3,x,b\n", 2, 2, `"x" is not a number`},
		"missing value":     {"1,2,a\n3,,b\n", 2, 2, "not a number"},
		"missing label":     {"1,2,a\n3,4,\n", 2, 3, "empty"},
		"short row":         {"1,2,a\n3,4\n", 2, 2, "ends here"},
		"long row":          {"1,2,a\n3,4,5,b\n", 2, 4, "more than the 3"},
		"quote inside":      {"1,2\"3,a\n", 1, 2, "quote inside"},
		"quote without end": {"1,\"2,a\n", 1, 2, "without an end"},
		"text after quote":  {"1,\"2\"3,a\n", 1, 2, "after a quoted"},
		"two labels":        {"label,label\n1,2\n", 1, 2, "two columns"},
		"not utf-8":         {"1,\xff\n", 1, 2, "UTF-8"},
		"long field":        {"1," + strings.Repeat("a", 5000) + "\n", 1, 2, "over 4096"},
		"line in quotes":    {"1,\"a\nb\"\nx,c\n", 3, 1, "not a number"},
	} {
		_, err := parseCSV([]byte(c.text))
		require.Error(t, err, name)
		assert.ErrorContains(t, err, c.says, name)
		var e *CSVError
		if errors.As(err, &e) {
			assert.Equal(t, c.line, e.Line, "%s: line", name)
			assert.Equal(t, c.column, e.Column, "%s: column", name)
		} else {
			assert.Zero(t, c.line, name)
		}
	}
}

func TestClassesOf(t *testing.T) {
	number, names, err := classesOf([]string{"10", "9", "-1"})
	require.NoError(t, err)
	assert.Equal(t, []string{"-1", "9", "10"}, names)
	assert.Equal(t, []int32{2, 1, 0}, number)
	number, names, err = classesOf([]string{"10", "9", "x"})
	require.NoError(t, err)
	assert.Equal(t, []string{"10", "9", "x"}, names)
	assert.Equal(t, []int32{0, 1, 2}, number)
	_, _, err = classesOf([]string{"1", "0.5", "2"})
	require.ErrorContains(t, err, "0.5 is not a class")
	_, _, err = classesOf([]string{"1", "1.0"})
	require.ErrorContains(t, err, "two ways")
}

func TestOpenCSV(t *testing.T) {
	var b strings.Builder
	for i := range 40 {
		b.WriteString([]string{"1,5,2,yes\n", "3,5,-4,no\n"}[i%2])
	}
	s, err := Open(t.Context(), "csv:"+write(t, "a.csv", []byte(b.String())), Options{Normalize: true, ValFraction: 0.5})
	require.NoError(t, err)
	assert.Equal(t, tensor.Shape{3}, s.Train.Shape())
	assert.Equal(t, []string{"no", "yes"}, s.Train.ClassNames())
	assert.Equal(t, []float32{2, 5, -1}, s.Mean)
	assert.Equal(t, []float32{1, 1, 3}, s.Std)
	x, y := all(t, s.Val)
	assert.Equal(t, []float32{-1, 0, 1}, x[:3])
	assert.EqualValues(t, 1, y[0])

	_, err = Open(t.Context(), "csv:"+write(t, "bad.csv", []byte("1,2,a\n3,nan,b\n")), Options{})
	checkOneLine(t, err, ErrData, "bad.csv", "line 2, column 2")
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("x,y,label\n1,2,a\n3,4,b\n"))
	f.Add([]byte("\xef\xbb\xbf1,\"2\",\"a \"\"b\"\"\nc\"\r\n\r\n3,4,d"))
	f.Add([]byte("label,1\n0,-1e-3\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseCSV(b)
		if err != nil {
			return
		}
		require.NotEmpty(t, c.labels)
		require.Len(t, c.x, len(c.labels)*(c.columns-1))
		require.LessOrEqual(t, cap(c.x), len(b)+1, "memory follows the file")
		for _, v := range c.x {
			require.Zero(t, v-v)
		}
		for _, l := range c.labels {
			require.Less(t, int(l), len(c.names))
		}
	})
}
