// The page: it asks the shop over gRPC.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"example.com/two/pb"
)

func main() {
	// devloop's proxy knows the shop by its name, and holds calls while it is swapped.
	connection, err := grpc.NewClient(os.Getenv("PROXY"),
		grpc.WithAuthority("shop.localhost"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	shop := pb.NewShopClient(connection)
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		reply, err := shop.Greet(r.Context(), &pb.GreetRequest{Name: "you"})
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		fmt.Fprintln(w, reply.GetText())
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
