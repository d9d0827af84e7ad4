package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"medtwin.ai/tollgate/authn"
)

// notes is the service, as generated code would describe it.
var notes = grpc.ServiceDesc{
	ServiceName: "acme.Notes",
	Methods:     []grpc.MethodDesc{{MethodName: "Get", Handler: unary("get")}, {MethodName: "Put", Handler: unary("put")}},
	Streams: []grpc.StreamDesc{{StreamName: "Watch", ServerStreams: true, Handler: func(_ any, s grpc.ServerStream) error {
		var request wrapperspb.StringValue
		if err := s.RecvMsg(&request); err != nil {
			return err
		}
		return s.SendMsg(answer(s.Context(), "watch"))
	}}},
}

func unary(name string) grpc.MethodHandler {
	return func(_ any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
		var request wrapperspb.StringValue
		if err := decode(&request); err != nil {
			return nil, err
		}
		info := &grpc.UnaryServerInfo{FullMethod: "/acme.Notes/" + map[string]string{"get": "Get", "put": "Put"}[name]}
		return intercept(ctx, &request, info, func(ctx context.Context, _ any) (any, error) { return answer(ctx, name), nil })
	}
}

// answer names the caller's account.
func answer(ctx context.Context, name string) *wrapperspb.StringValue {
	p, _ := authn.FromContext(ctx)
	return wrapperspb.String(name + " for " + p.Account)
}
