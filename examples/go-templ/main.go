// One page, written in templ.
package main

import (
	"log"
	"net/http"
	"os"

	"github.com/a-h/templ"
)

func main() {
	http.Handle("/", templ.Handler(page("you")))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
