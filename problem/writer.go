package problem

import (
	"log/slog"
	"net/http"
)

// A Writer answers r with p. It calls [Prepare], and then writes a body in a
// form of its own. [Write] is the default of every configuration that takes a
// Writer. A Writer is safe for concurrent use.
//
//	func plain(w http.ResponseWriter, r *http.Request, p problem.Problem) {
//		p = problem.Prepare(w, r, p)
//		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
//		w.WriteHeader(p.Status)
//		fmt.Fprintln(w, p.Detail)
//	}
type Writer func(w http.ResponseWriter, r *http.Request, p Problem)

// Logged returns a Writer that logs every problem at debug level, and then
// calls write to answer it. The log line has the same request id as the answer,
// the status, the code and the cause. A nil write means [Write]. A nil log
// means that nothing is logged.
func Logged(write Writer, log *slog.Logger) Writer {
	if write == nil {
		write = Write
	}
	if log == nil {
		return write
	}
	return func(w http.ResponseWriter, r *http.Request, p Problem) {
		if log.Enabled(r.Context(), slog.LevelDebug) {
			r = Identify(r)
			p = p.withDefaults()
			attrs := []slog.Attr{
				slog.String("request_id", RequestID(r.Context())), slog.Int("status", p.Status), slog.String("code", p.Code),
				slog.String("pattern", r.Pattern),
			}
			if p.Cause != nil {
				attrs = append(attrs, slog.Any("err", p.Cause))
			}
			log.LogAttrs(r.Context(), slog.LevelDebug, "request refused", attrs...)
		}
		write(w, r, p)
	}
}
