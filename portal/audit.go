package portal

import (
	"net/http"

	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/store"
)

// auditLog answers one page of what has happened in the caller's account, newest first.
func (a *accountRoutes) auditLog(w http.ResponseWriter, r *http.Request) error {
	by := caller(r)
	if err := a.mayManage(r, by); err != nil {
		return err
	}
	after, limit, err := wire.ReadPage(r)
	if err != nil {
		return err
	}
	events, err := a.of.Store.Events().List(r.Context(), by.Account, after, limit+1)
	if err != nil {
		return err
	}
	return wire.JSON(w, http.StatusOK, wire.NewPage(events, limit, func(e store.Event) string { return e.ID }, showEvent))
}

type shownEvent struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Actor   string `json:"actor"`
	Subject string `json:"subject"`
	Address string `json:"address,omitempty"`
	At      string `json:"at"`
	Note    string `json:"note,omitempty"`
}

func showEvent(e store.Event) shownEvent {
	return shownEvent{e.ID, e.Kind, e.Actor, e.Subject, e.Address, wire.FormatTime(e.At), e.Note}
}
