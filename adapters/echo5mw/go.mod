module medtwin.ai/tollgate/adapters/echo5mw

go 1.26.0

require (
	github.com/labstack/echo/v5 v5.3.1
	medtwin.ai/tollgate v0.0.0
)

require (
	golang.org/x/crypto v0.56.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/text v0.41.0 // indirect
	golang.org/x/time v0.15.0 // indirect
)

replace medtwin.ai/tollgate => ../..
