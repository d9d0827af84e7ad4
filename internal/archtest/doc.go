// Package archtest holds the rules that the source itself must keep: which
// package may import which, what the root module may depend on, how long a
// file may be, that exports are documented. It has no code but its tests,
// which read the files of every module of the workspace. The rules are tested
// in their turn, on small sources that break them.
package archtest
