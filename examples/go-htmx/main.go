// One page in templ, and the pieces of it that htmx fetches.
package main

import (
	"log"
	"net/http"
	"os"
	"sync/atomic"

	"github.com/a-h/templ"
)

func main() {
	var count atomic.Int64
	http.Handle("GET /{$}", templ.Handler(page()))
	http.Handle("GET /late", templ.Handler(late()))
	http.HandleFunc("POST /clicks", func(w http.ResponseWriter, r *http.Request) {
		templ.Handler(clicks(count.Add(1))).ServeHTTP(w, r)
	})
	http.Handle("GET /static/", http.StripPrefix("/static/", http.FileServer(http.Dir("static"))))
	http.Handle("GET /htmx/", http.StripPrefix("/htmx/", http.FileServer(http.Dir("node_modules/htmx.org/dist"))))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
