package client

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"google.golang.org/appengine/v2"
	"google.golang.org/appengine/v2/taskqueue"
)

// GAE-030: the SDK ends a call itself when its context does, so to see the server's own answer its calls go through a proxy that
// lets it wait for a microsecond only.
func TestIsTimeoutError(t *testing.T) {
	queue := makeQueue(t, "go-deadline", map[string]any{"mode": "pull"})
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: deferd})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Google-RPC-Service-Deadline", "0.000001")
		proxy.ServeHTTP(w, r)
	}))
	defer server.Close()
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("add", func(t *testing.T) { // its environment ends with it
		t.Setenv("API_HOST", address.Hostname())
		t.Setenv("API_PORT", address.Port())
		_, err := taskqueue.Add(context.Background(), &taskqueue.Task{Method: "PULL", Payload: []byte("x")}, queue)
		if !appengine.IsTimeoutError(err) {
			t.Errorf("%v is no timeout", err)
		}
	})
	if left := tasksIn(t, queue); left != 0 {
		t.Errorf("%d tasks were added after all", left)
	}
}
