// Command grpc guards a gRPC server: every full method has a need, calls and streams alike.
package main

import (
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/sqlitestore"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
)

// public are the services that anyone may call.
var public = map[string]string{"grpc.health.v1.Health": "liveness", "grpc.reflection.v1.ServerReflection": "the description of the API", "grpc.reflection.v1alpha.ServerReflection": "the same"}

func main() {
	gate := tollgate.Must(tollgate.New(tollgate.Config{
		Store: tollgate.Must(sqlitestore.Open(sqlitestore.Config{Path: "acme.db"})), Secrets: tollgate.Must(keyfmt.OpenKeyring("acme.secrets")), Prefix: "acme",
		Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Plans: map[string]string{"standard": "10-M"},
	}))
	g := guards{tollgate.NewCoverage(gate), map[string]*tollgate.Guard{
		"/acme.Notes/Get":   gate.Guard(authz.Need{ID: "notes.get", Permission: "read", ReadOnly: true}),
		"/acme.Notes/Watch": gate.Guard(authz.Need{ID: "notes.watch", Permission: "read", ReadOnly: true}),
		"/acme.Notes/Put":   gate.Guard(authz.Need{ID: "notes.put", Permission: "write"}),
	}}
	server := grpc.NewServer(grpc.UnaryInterceptor(g.unary), grpc.StreamInterceptor(g.stream))
	server.RegisterService(&notes, nil)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	reflection.Register(server)
	g.covers(server)
	tollgate.Main(gate)
	log.Fatal(server.Serve(tollgate.Must(net.Listen("tcp", "localhost:8080"))))
}
