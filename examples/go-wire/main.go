// A shop of which wire puts the parts together.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

func main() {
	shop := NewShop()
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, shop.Welcome()) })
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
