module medtwin.ai/tollgate/adapters/chimw

go 1.26.0

require (
	github.com/go-chi/chi/v5 v5.2.3
	medtwin.ai/tollgate v0.0.0
)

require (
	golang.org/x/crypto v0.56.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/text v0.41.0 // indirect
)

replace medtwin.ai/tollgate => ../..
