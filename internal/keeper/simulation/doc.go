// Package simulation drives the keeper through bad days: processes that die, sleep and come
// back, clocks that jump, a register that fails, hangs and lies, a server that loses answers.
// A seed decides what happens; a day takes some milliseconds, for its time is not real
// (testing/synctest). What was done is checked against rules that do not know how the keeper
// works, and a day that breaks one is told in as few troubles as possible.
//
// Run it by make simulate. It consists of tests alone.
package simulation
