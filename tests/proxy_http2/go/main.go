// A gRPC server and a client of it, for the tests of the proxy.
//
//	calls serve NAME     listens, prints its port, answers with its name until its input ends
//	calls ask ADDRESS    opens calls of all kinds, prints "open", waits for a line, and prints how each ended
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

type server struct {
	pb.UnimplementedTestServiceServer
	name string
}

func (s *server) payload() *pb.Payload { return &pb.Payload{Body: []byte(s.name)} }

// Takes as many milliseconds as the response is to have bytes.
func (s *server) UnaryCall(ctx context.Context, in *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	time.Sleep(time.Duration(in.ResponseSize) * time.Millisecond)
	if err := grpc.SetTrailer(ctx, metadata.Pairs("x-name", s.name)); err != nil {
		return nil, err
	}
	return &pb.SimpleResponse{Payload: s.payload()}, nil
}

func (s *server) StreamingOutputCall(_ *pb.StreamingOutputCallRequest, to pb.TestService_StreamingOutputCallServer) error {
	for range 2 {
		if err := to.Send(&pb.StreamingOutputCallResponse{Payload: s.payload()}); err != nil {
			return err
		}
	}
	<-to.Context().Done()
	return to.Context().Err()
}

func (s *server) StreamingInputCall(from pb.TestService_StreamingInputCallServer) error {
	size := int32(0)
	for {
		in, err := from.Recv()
		if errors.Is(err, io.EOF) {
			return from.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: size})
		}
		if err != nil {
			return err
		}
		size += int32(len(in.Payload.Body))
	}
}

func (s *server) FullDuplexCall(both pb.TestService_FullDuplexCallServer) error {
	for {
		if _, err := both.Recv(); err != nil {
			return err
		}
		if err := both.Send(&pb.StreamingOutputCallResponse{Payload: s.payload()}); err != nil {
			return err
		}
	}
}

func serve(name string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	grpcServer := grpc.NewServer()
	pb.RegisterTestServiceServer(grpcServer, &server{name: name})
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	check(grpcServer.Serve(listener))
}

func ask(address string) {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	client := pb.NewTestServiceClient(connection)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	down, err := client.StreamingOutputCall(ctx, &pb.StreamingOutputCallRequest{})
	check(err)
	for range 2 {
		_, err = down.Recv()
		check(err)
	}
	up, err := client.StreamingInputCall(ctx)
	check(err)
	check(up.Send(&pb.StreamingInputCallRequest{Payload: &pb.Payload{Body: []byte("x")}}))
	both, err := client.FullDuplexCall(ctx)
	check(err)
	check(both.Send(&pb.StreamingOutputCallRequest{}))
	_, err = both.Recv()
	check(err)
	slow := make(chan string)
	go func() { slow <- unary(ctx, client, 3000) }()
	_, err = client.EmptyCall(ctx, &pb.Empty{})
	fmt.Println("not there:", status.Code(err))

	fmt.Println("open")
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	check(err)
	_, err = down.Recv()
	fmt.Println("from the server:", status.Code(err))
	_, err = up.CloseAndRecv()
	fmt.Println("to the server:", status.Code(err))
	_, err = both.Recv()
	fmt.Println("both ways:", status.Code(err))
	fmt.Println("unary:", <-slow)
	fmt.Println("next:", unary(ctx, client, 0))
}

func unary(ctx context.Context, client pb.TestServiceClient, millis int32) string {
	var trailer metadata.MD
	out, err := client.UnaryCall(ctx, &pb.SimpleRequest{ResponseSize: millis}, grpc.Trailer(&trailer))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(string(out.Payload.Body), " ", trailer.Get("x-name"))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	if os.Args[1] == "serve" {
		serve(os.Args[2])
	}
	ask(os.Args[2])
}
