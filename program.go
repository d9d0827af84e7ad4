package tollgate

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Must returns v or, if err is not nil, ends the program with status 1 and err on
// standard error. It is for the set-up in a program's main, where nothing else is left
// to do about an error.
//
//	gate := tollgate.Must(tollgate.New(tollgate.Config{…}))
func Must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
		os.Exit(1)
	}
	return v
}

// Main does in a program's main what every program with a gate does there. If the
// command line is one of [Gate.Command], such as "keys create", it runs that and ends
// the program. Otherwise it starts [Gate.Run] in the background, for as long as the
// program runs, and returns. Call it when all routes are declared, before serving. A
// program that shuts down in order calls Command and Run itself.
func Main(g *Gate) {
	if Must(g.Command(context.Background(), os.Args[1:], os.Stdout)) {
		os.Exit(0)
	}
	go g.Run(context.Background())
}
