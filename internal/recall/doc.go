// Package recall remembers what a store said about tokens, never for longer
// than that is sure to hold, and records when they were used. Whatever
// authenticates with opaque tokens keeps one [Memory].
package recall
