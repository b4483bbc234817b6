// The shop: it greets over gRPC.
package main

import (
	"context"
	"log"
	"net"
	"os"

	"google.golang.org/grpc"

	"example.com/two/pb"
)

type shop struct{ pb.UnimplementedShopServer }

func (shop) Greet(_ context.Context, request *pb.GreetRequest) (*pb.GreetReply, error) {
	return &pb.GreetReply{Text: "hello from the shop, " + request.GetName()}, nil
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterShopServer(server, shop{})
	log.Fatal(server.Serve(listener))
}
