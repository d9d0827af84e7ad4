package main

import (
	"cmp"
	"runtime/debug"
)

// version is set by the linker where a release is built:
// -ldflags "-X main.version=v1.2.3".
var version string

// release names what is running: the version that it was built as, else what Go
// recorded of the source, else "devel".
func release() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	var revision, dirty string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	return cmp.Or(revision, "devel") + dirty
}
