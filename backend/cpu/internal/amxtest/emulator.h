// The emulator of AMX's tile instructions; see package amxtest.
#ifndef GOQAT_AMXTEST_EMULATOR_H
#define GOQAT_AMXTEST_EMULATOR_H

#include <stdbool.h>
#include <stdint.h>

// Takes over SIGILL; returns 0 or an errno. Call it once, after the start of
// the Go runtime, whose handler gets what is no tile instruction.
int amx_install(void);

// Copies the first violation since the last call to text; returns 0 when
// there was none.
int amx_fault(char *text, int size);

long amx_in_use(void);
uint64_t amx_dots(void);

// For the emulator's own test; see exercise in Go.
void amx_exercise(uint8_t *config, uint8_t *a, uint8_t *b, uint8_t *c, int op, bool keep);
void amx_release(void);

#endif
