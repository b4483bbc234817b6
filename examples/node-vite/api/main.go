// The API behind the page.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/api/greeting", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello from the API") })
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
