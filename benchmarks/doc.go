// Package benchmarks holds Tollgate against its peers: what both should agree
// on, and what a decision costs. The peers are requirements of this module
// only, so that they never reach a user's go.mod. It has no code but tests.
package benchmarks
