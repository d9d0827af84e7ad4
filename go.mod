module medtwin.ai/tollgate

go 1.26.0

require github.com/google/go-cmp v0.7.0

require (
	golang.org/x/crypto v0.56.0
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/text v0.41.0
)
