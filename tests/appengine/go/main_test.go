// Package client holds the tests of App Engine's Go SDK, unmodified, against a real deferd.
//
// This program is both sides: the script that adds and leases, and the application that deferd pushes to. It starts deferd on a
// free port and ends it by its process. Environment: DEFERD_BINARY, the server to test (build/bin/deferd of the checkout).
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/appengine/v2"
	"google.golang.org/appengine/v2/taskqueue"
)

var deferd string // the server's address

// push is a task that has arrived.
type push struct {
	method  string
	path    string
	headers http.Header
	parsed  *taskqueue.RequestHeaders
	body    []byte
}

// pushes keeps what arrived, by path.
var pushes = struct {
	sync.Mutex
	byPath map[string][]push
	script map[string][]int
}{byPath: map[string][]push{}, script: map[string][]int{}}

// handle keeps the task and answers as the script of its path says, then 200.
func handle(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	pushes.Lock()
	defer pushes.Unlock()
	path := r.URL.Path
	pushes.byPath[path] = append(pushes.byPath[path],
		push{r.Method, path, r.Header.Clone(), taskqueue.ParseRequestHeaders(r.Header), body})
	if script := pushes.script[path]; len(script) > 0 {
		pushes.script[path] = script[1:]
		w.WriteHeader(script[0])
	}
}

// handleChain adds the next task in the context of the request, so by the ticket of its push.
func handleChain(w http.ResponseWriter, r *http.Request) {
	if _, err := taskqueue.Add(appengine.NewContext(r), &taskqueue.Task{Path: "/work/chained"}, r.Header.Get("X-Queue")); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 15 s for %s", what)
		}
	}
}

// arrived waits until `count` tasks are at path.
func arrived(t *testing.T, path string, count int) []push {
	t.Helper()
	var found []push
	waitFor(t, fmt.Sprintf("%d tasks at %s", count, path), func() bool {
		pushes.Lock()
		defer pushes.Unlock()
		found = append([]push(nil), pushes.byPath[path]...)
		return len(found) >= count
	})
	return found
}

// makeQueue makes a queue of the test's own through /v1; every door sees the same queues.
func makeQueue(t *testing.T, name string, settings map[string]any) string {
	t.Helper()
	body, _ := json.Marshal(settings)
	request, _ := http.NewRequest("PUT", "http://"+deferd+"/v1/queues/"+name, bytes.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		text, _ := io.ReadAll(answer.Body)
		t.Fatalf("making queue %s: %s: %s", name, answer.Status, text)
	}
	return name
}

func tasksIn(t *testing.T, queue string) int {
	t.Helper()
	statistics, err := taskqueue.QueueStats(context.Background(), []string{queue})
	if err != nil {
		t.Fatal(err)
	}
	return statistics[0].Tasks
}

func freeAddress() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func serve() (folder string, server *exec.Cmd, err error) {
	http.HandleFunc("/work/", handle)
	http.HandleFunc("/_ah/queue/", handle) // delay has its own, longer path
	http.HandleFunc("/chain", handleChain)
	application, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	go http.Serve(application, appengine.Middleware(http.DefaultServeMux))

	folder, err = os.MkdirTemp("", "deferd-go-")
	if err != nil {
		return "", nil, err
	}
	binary := os.Getenv("DEFERD_BINARY")
	if binary == "" {
		binary = "../../../build/bin/deferd"
	}
	deferd = freeAddress()
	log, err := os.Create(filepath.Join(folder, "deferd.log"))
	if err != nil {
		return folder, nil, err
	}
	server = exec.Command(binary, "--data", filepath.Join(folder, "data"), "--listen", deferd,
		"--app-url", "http://"+application.Addr().String())
	server.Stdout, server.Stderr = log, log
	for _, variable := range os.Environ() { // every DEFERD_ variable is a setting to deferd
		if !strings.HasPrefix(variable, "DEFERD_") {
			server.Env = append(server.Env, variable)
		}
	}
	if err = server.Start(); err != nil {
		return folder, nil, err
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if answer, err := http.Get("http://" + deferd + "/readyz"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return folder, server, nil
			}
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			return folder, server, fmt.Errorf("deferd is not ready:\n%s", text)
		}
	}
}

func TestMain(m *testing.M) {
	folder, server, err := serve()
	status := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		// All that an application needs (docs/guides/app-engine.md).
		host, port, _ := net.SplitHostPort(deferd)
		os.Setenv("API_HOST", host)
		os.Setenv("API_PORT", port)
		os.Setenv("GAE_APPLICATION", "s~myapp")
		status = m.Run()
	}
	if server != nil {
		server.Process.Kill()
		server.Wait()
	}
	os.RemoveAll(folder)
	os.Exit(status)
}
