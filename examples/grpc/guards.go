package main

import (
	"context"
	"log"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/problem"
)

// guards decide the calls of a server, by their full methods.
type guards struct {
	cover *tollgate.Coverage
	of    map[string]*tollgate.Guard
}

// covers ends the program if a method of the server has no need and is not public.
func (g guards) covers(server *grpc.Server) {
	for service, info := range server.GetServiceInfo() {
		for _, m := range info.Methods {
			if full := "/" + service + "/" + m.Name; g.of[full] == nil && public[service] == "" {
				log.Fatalf("%s requires nothing of its caller: give it a need, or name its service in public", full)
			}
		}
	}
}

// check decides a call before its handler runs. A stream has no message yet; the message of
// a unary call has been decoded, because gRPC runs the interceptor afterwards:
// grpc.MaxRecvMsgSize (4 MiB) bounds what that costs.
func (g guards) check(ctx context.Context, method string) (context.Context, error) {
	guard := g.of[method]
	if guard == nil {
		if service, _, _ := strings.Cut(method[1:], "/"); public[service] != "" {
			return ctx, nil
		}
		return nil, status.Error(codes.Unimplemented, "unknown method") // as of grpc.UnknownServiceHandler
	}
	r := &http.Request{Method: "POST", URL: &url.URL{Path: method}, Header: http.Header{}}
	if p, ok := peer.FromContext(ctx); ok {
		r.RemoteAddr = p.Addr.String()
	}
	for _, name := range []string{"Authorization", "X-Environment"} {
		r.Header[name] = metadata.ValueFromIncomingContext(ctx, strings.ToLower(name))
	}
	checked, err := guard.Check(r.WithContext(ctx), http.Header{})
	if err == nil {
		return checked.Context(), nil
	}
	g.cover.Refuse(func(_ http.ResponseWriter, _ *http.Request, p problem.Problem) { err = refusal(&p) }, nothing{}, checked, err)
	return nil, err
}

// refusal is what a gRPC client is told.
func refusal(p *problem.Problem) error {
	code, ok := map[int]codes.Code{401: codes.Unauthenticated, 403: codes.PermissionDenied, 404: codes.NotFound, 429: codes.ResourceExhausted, 503: codes.Unavailable}[p.StatusCode()]
	if !ok {
		code = codes.Internal
	}
	s := status.New(code, p.Error())
	if p.Retry > 0 {
		s, _ = s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(p.Retry)})
	}
	return s.Err()
}

// nothing is a response that nobody gets: gRPC has its own.
type nothing struct{}

func (nothing) Header() http.Header         { return http.Header{} }
func (nothing) Write(b []byte) (int, error) { return len(b), nil }
func (nothing) WriteHeader(int)             {}

func (g guards) unary(ctx context.Context, message any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if ctx, err := g.check(ctx, info.FullMethod); err != nil {
		return nil, err
	} else {
		return next(ctx, message)
	}
}

// stream is as necessary as unary: gRPC does not run that for streams.
func (g guards) stream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	ctx, err := g.check(s.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	return next(srv, checked{s, ctx})
}

// checked is a stream whose context names the caller.
type checked struct {
	grpc.ServerStream
	ctx context.Context
}

func (c checked) Context() context.Context { return c.ctx }
