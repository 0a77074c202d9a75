package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/elementary"
)

func init() {
	register(backend.Exp{}, elementwiseOne(2, always(elementary.Exp), always(elementary.ExpOf64)))
}
