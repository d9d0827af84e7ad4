// Package archtest tests the rules that the source must keep: which package may
// import which, what the root module may depend on, how long a file may be,
// which names are documented, and which words are used. It has no code but its
// tests. They read the files of every module of the workspace. Other tests
// check that each rule finds a small source that breaks it.
package archtest
