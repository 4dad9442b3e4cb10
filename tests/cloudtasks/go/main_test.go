// Package client holds the tests of Google's Go clients of Cloud Tasks, unmodified, against a real deferd, over gRPC and over REST.
//
// This program is both sides: it calls deferd, which it starts on a free port and ends by its process, and it is the target of what
// deferd dispatches. Environment: DEFERD_BINARY, the server to test (build/bin/deferd of the checkout).
package client

import (
	"context"
	"errors"
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

	"github.com/googleapis/gax-go/v2/apierror"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const parent = "projects/my-project/locations/us-central1"

var (
	ctx    = context.Background()
	deferd string // the server's address
	target string // the URL of what it dispatches to, without a path
)

// noQueue is what the service says of a queue that is not there.
const noQueue = "Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize."

// ---- Clients

// overGRPC and overREST are all that an application changes.
var overGRPC = func() []option.ClientOption {
	return []option.ClientOption{option.WithEndpoint(deferd), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials()))}
}
var overREST = func() []option.ClientOption {
	return []option.ClientOption{option.WithEndpoint("http://" + deferd), option.WithoutAuthentication()}
}

// overBoth runs the test with a client of either transport, each with queues of its own.
func overBoth[C io.Closer](t *testing.T, newGRPC, newREST func(context.Context, ...option.ClientOption) (C, error),
	test func(t *testing.T, c C)) {
	run := func(name string, make func(context.Context, ...option.ClientOption) (C, error), options []option.ClientOption) {
		t.Run(name, func(t *testing.T) {
			c, err := make(ctx, options...)
			must(t, err)
			defer c.Close()
			test(t, c)
		})
	}
	run("gRPC", newGRPC, overGRPC())
	run("REST", newREST, overREST())
}

// nameOf is a queue id of the test's own, such as TestQueues-gRPC.
func nameOf(t *testing.T) string {
	return strings.ReplaceAll(t.Name(), "/", "-")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused demands that a call failed with this code and exactly this text, and returns the details that came with it. Over REST the
// code is that of HTTP, since the client keeps no other.
func refused(t *testing.T, err error, code codes.Code, text string) apierror.ErrDetails {
	t.Helper()
	var failure *apierror.APIError
	if !errors.As(err, &failure) {
		t.Fatalf("expected %v, got %v", code, err)
	}
	overHTTP := map[codes.Code]int{codes.InvalidArgument: 400, codes.FailedPrecondition: 400, codes.NotFound: 404,
		codes.AlreadyExists: 409, codes.Aborted: 409}
	if status := failure.HTTPCode(); status >= 0 {
		if status != overHTTP[code] {
			t.Errorf("HTTP status %d, expected %d: %v", status, overHTTP[code], err)
		}
	} else if failure.GRPCStatus().Code() != code {
		t.Errorf("code %v, expected %v: %v", failure.GRPCStatus().Code(), code, err)
	}
	if text != "" && failure.Message() != text {
		t.Errorf("text %q, expected %q", failure.Message(), text)
	}
	return failure.Details()
}

func seconds(s float64) *durationpb.Duration {
	return durationpb.New(time.Duration(s * float64(time.Second)))
}

func inAnHour() *timestamppb.Timestamp {
	return timestamppb.New(time.Now().Add(time.Hour))
}

// lastOf is the part of a name after its last slash.
func lastOf(name string) string {
	return name[strings.LastIndexByte(name, '/')+1:]
}

// pagesOf walks a list in pages of `size` and returns the names on each.
func pagesOf[T interface{ GetName() string }](t *testing.T, list iterator.Pageable, size int) (pages [][]string) {
	t.Helper()
	pager := iterator.NewPager(list, size, "")
	for {
		var items []T
		token, err := pager.NextPage(&items)
		must(t, err)
		var names []string
		for _, item := range items {
			names = append(names, lastOf(item.GetName()))
		}
		pages = append(pages, names)
		if token == "" {
			return pages
		}
	}
}

// ---- The target

// arrival is a request of a task.
type arrival struct {
	method  string
	headers http.Header
	body    string
}

// arrivals keeps what came, by path. A path that ends in a number is answered with it as the status; others with 200.
var arrivals = struct {
	sync.Mutex
	byPath map[string][]arrival
}{byPath: map[string][]arrival{}}

func handle(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	arrivals.Lock()
	arrivals.byPath[r.URL.RequestURI()] = append(arrivals.byPath[r.URL.RequestURI()], arrival{r.Method, r.Header.Clone(), string(body)})
	arrivals.Unlock()
	status := 200
	fmt.Sscanf(lastOf(r.URL.Path), "%d", &status)
	w.WriteHeader(status)
}

// arrived waits until `count` requests for the path have come.
func arrived(t *testing.T, path string, count int) (found []arrival) {
	t.Helper()
	waitFor(t, fmt.Sprintf("%d requests for %s", count, path), func() bool {
		arrivals.Lock()
		defer arrivals.Unlock()
		found = append([]arrival(nil), arrivals.byPath[path]...)
		return len(found) >= count
	})
	return found
}

func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 15 s for %s", what)
		}
	}
}

// ---- The server

func freeAddress() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func serve() (folder string, server *exec.Cmd, err error) {
	application, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	target = "http://" + application.Addr().String()
	go http.Serve(application, http.HandlerFunc(handle))

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
	server = exec.Command(binary, "--data", filepath.Join(folder, "data"), "--listen", deferd, "--location", "us-central1",
		"--app-url", target)
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
		status = m.Run()
	}
	if server != nil {
		server.Process.Kill()
		server.Wait()
	}
	os.RemoveAll(folder)
	os.Exit(status)
}
