package bench

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestBrandOf(t *testing.T) {
	for want, file := range map[string]string{
		"A CPU @ 2.0GHz":              "processor\t: 0\nmodel name\t: A  CPU @ 2.0GHz\nmodel name\t: another\n",
		"Raspberry Pi 5":              "CPU part\t: 0xd0b\n\nModel\t\t: Raspberry Pi 5\n",
		"implementer 0x41 part 0xd0c": "CPU implementer : 0x41\nCPU part : 0xd0c\n",
		"":                            "nothing here\n",
	} {
		assert.Equal(t, want, brandOf(strings.NewReader(file)))
	}
}
