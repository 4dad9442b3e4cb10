package client

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"google.golang.org/appengine/v2"
	"google.golang.org/appengine/v2/taskqueue"
)

// GAE-030: the SDK ends a call itself when its context does. To see the server's own answer, the call goes through a proxy that gives
// the server a millisecond for ten megabytes.
func TestIsTimeoutError(t *testing.T) {
	queue := makeQueue(t, "go-deadline", map[string]any{"mode": "pull"})
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: deferd})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Google-RPC-Service-Deadline", "0.001")
		proxy.ServeHTTP(w, r)
	}))
	defer server.Close()
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("API_HOST", address.Hostname())
	t.Setenv("API_PORT", address.Port())
	tasks := make([]*taskqueue.Task, 20)
	for i := range tasks {
		tasks[i] = &taskqueue.Task{Method: "PULL", Payload: bytes.Repeat([]byte("x"), 512<<10)}
	}
	if _, err = taskqueue.AddMulti(context.Background(), tasks, queue); !appengine.IsTimeoutError(err) {
		t.Fatalf("%v is no timeout", err)
	}
}
