package examples

import (
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Calls and streams of gRPC are refused before their first message, each in the codes of
// gRPC, and health needs no credential.
func TestGRPC(t *testing.T) {
	t.Parallel()
	p := build(t, "grpc")
	_, key := p.makeKey(t)
	p.serve(t)
	conn := must(grpc.NewClient(p.addr, grpc.WithTransportCredentials(insecure.NewCredentials())))(t)
	defer conn.Close()
	as := func(token string) (in metadata.MD) {
		if token == "" {
			return nil
		}
		return metadata.Pairs("authorization", "Bearer "+token)
	}
	call := func(method, token string) (string, error) {
		var answer wrapperspb.StringValue
		err := conn.Invoke(metadata.NewOutgoingContext(t.Context(), as(token)), method, wrapperspb.String("x"), &answer)
		return answer.GetValue(), err
	}
	stream := func(token string) (string, error) {
		s, err := conn.NewStream(metadata.NewOutgoingContext(t.Context(), as(token)), &grpc.StreamDesc{ServerStreams: true}, "/acme.Notes/Watch")
		if err != nil {
			return "", err
		}
		if token != "" { // without one the refusal comes although no message was sent
			check(t, s.SendMsg(wrapperspb.String("x")))
			check(t, s.CloseSend())
		}
		var answer wrapperspb.StringValue
		err = s.RecvMsg(&answer)
		return answer.GetValue(), err
	}
	if got, err := call("/acme.Notes/Get", key); err != nil || got != "get for acme" {
		t.Errorf("got %q %v", got, err)
	}
	if got, err := stream(key); err != nil || got != "watch for acme" {
		t.Errorf("a stream: got %q %v", got, err)
	}
	if _, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Errorf("health: %v", err)
	}
	tests := []struct {
		name string
		call func() error
		want codes.Code
	}{
		{"no key", func() error { _, err := call("/acme.Notes/Get", ""); return err }, codes.Unauthenticated},
		{"made-up key", func() error { _, err := call("/acme.Notes/Get", key[:len(key)-1]+"_"); return err }, codes.Unauthenticated},
		{"no permission", func() error { _, err := call("/acme.Notes/Put", key); return err }, codes.PermissionDenied},
		{"stream without a key", func() error { _, err := stream(""); return err }, codes.Unauthenticated},
		{"unknown method", func() error { _, err := call("/acme.Notes/Delete", key); return err }, codes.Unimplemented},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.call(); status.Code(err) != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	for range 10 {
		call("/acme.Notes/Get", key)
	}
	_, err := call("/acme.Notes/Get", key)
	if details := status.Convert(err).Details(); status.Code(err) != codes.ResourceExhausted || len(details) != 1 {
		t.Fatalf("over the limit: got %v %v", err, details)
	} else if info, ok := details[0].(*errdetails.RetryInfo); !ok || info.RetryDelay.AsDuration() <= 0 {
		t.Errorf("over the limit: got %v, want when to try again", details)
	}
}

// A method without a need keeps the program from starting.
func TestGRPCUndeclared(t *testing.T) {
	t.Parallel()
	p := buildWith(t, "grpc", `		"/acme.Notes/Watch": gate.Guard(authz.Need{ID: "notes.watch", Permission: "read", ReadOnly: true}),`, "")
	out, err := p.command().CombinedOutput()
	if err == nil || !strings.Contains(string(out), "/acme.Notes/Watch requires nothing of its caller") {
		t.Errorf("got %v %s, want the name of the method", err, out)
	}
}

// A Connect client gets the codes of its protocol.
func TestConnect(t *testing.T) {
	t.Parallel()
	p := build(t, "connect")
	_, key := p.makeKey(t)
	p.serve(t)
	call := func(procedure, token string) (string, error) {
		client := connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](http.DefaultClient, "http://"+p.addr+procedure)
		r := connect.NewRequest(wrapperspb.String("get"))
		if token != "" {
			r.Header().Set("Authorization", "Bearer "+token)
		}
		answer, err := client.CallUnary(t.Context(), r)
		if err != nil {
			return "", err
		}
		return answer.Msg.GetValue(), nil
	}
	if got, err := call("/acme.Notes/Get", key); err != nil || got != "get for acme" {
		t.Errorf("got %q %v", got, err)
	}
	for _, tt := range []struct {
		name, procedure, token string
		want                   connect.Code
	}{
		{"no key", "/acme.Notes/Get", "", connect.CodeUnauthenticated},
		{"no permission", "/acme.Notes/Put", key, connect.CodePermissionDenied},
		{"undeclared", "/acme.Notes/Delete", key, connect.CodeNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := call(tt.procedure, tt.token); connect.CodeOf(err) != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	for range 10 {
		call("/acme.Notes/Get", key)
	}
	if _, err := call("/acme.Notes/Get", key); connect.CodeOf(err) != connect.CodeResourceExhausted {
		t.Errorf("over the limit: got %v", err)
	}
	// Who sends a body without a key is refused before it is decoded.
	if a := p.send(t, 401, "POST", "/acme.Notes/Get", "not a message", "Content-Type", "application/proto"); !strings.Contains(a.body, "unauthenticated") {
		t.Errorf("got %s", a.body)
	}
}

// The applications with gin and Echo: a key opens its project, and a route without a need
// keeps the program from starting.
func TestFrameworks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, forget, by, route string }{
		{"gin", `guard.Handle(authz.Need{ID: "projects.put", Permission: "write", From: map[string]string{"projects": "project"}}, putProject)`, "putProject", "PUT /v1/projects/:project"},
		{"echo", `, guard.Require(authz.Need{ID: "projects.put", Permission: "write", From: map[string]string{"projects": "project"}})`, "", "PUT /v1/projects/:project"},
		{"chi", `routes.With(gate.Require(need))`, "_ = need\n\troutes", "GET /v1/projects/{project}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := build(t, tt.name)
			_, key := p.makeKey(t, "--projects", "p1")
			p.serve(t)
			bearer := "Bearer " + key
			p.send(t, 200, "GET", "/v1/projects/p1", "", "Authorization", bearer)
			p.send(t, 403, "GET", "/v1/projects/p2", "", "Authorization", bearer)
			p.send(t, 401, "GET", "/v1/projects/p1", "")
			p.send(t, 404, "GET", "/nowhere", "")
			if tt.name != "chi" { // which has no such routes
				p.send(t, 403, "PUT", "/v1/projects/p1", "", "Authorization", bearer)
				p.send(t, 200, "GET", "/health", "")
			}
			open := buildWith(t, tt.name, tt.forget, tt.by)
			if out, err := open.command().CombinedOutput(); err == nil || !strings.Contains(string(out), tt.route+": it requires nothing of its caller") {
				t.Errorf("without the need: got %v %s, want %s", err, out, tt.route)
			}
		})
	}
}
