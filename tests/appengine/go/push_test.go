package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"testing"
	"time"

	taskqueue1 "google.golang.org/appengine/taskqueue"
	"google.golang.org/appengine/v2"
	"google.golang.org/appengine/v2/delay"
	"google.golang.org/appengine/v2/taskqueue"
)

var fast = map[string]any{"retry": map[string]any{"min_backoff": "0.01s", "max_backoff": "0.05s"}}

// GAE-026 GAE-063 GAE-135: one Add, one push; mode and Host are not on the wire of Go.
func TestAddIsPushed(t *testing.T) {
	queue := makeQueue(t, "go-add", fast)
	begun := time.Now()
	task, err := taskqueue.Add(context.Background(), taskqueue.NewPOSTTask("/work/add", url.Values{"a": {"1"}}), queue)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[0-9]{17,20}$`).MatchString(task.Name) {
		t.Errorf("chosen name %q", task.Name)
	}
	got := arrived(t, "/work/add", 1)[0]
	if got.method != "POST" || string(got.body) != "a=1" || got.headers.Get("Content-Type") != "application/x-www-form-urlencoded" {
		t.Errorf("got %s %q %v", got.method, got.body, got.headers)
	}
	if got.parsed.QueueName != queue || got.parsed.TaskName != task.Name || got.parsed.TaskRetryCount != 0 {
		t.Errorf("headers %+v", got.parsed)
	}
	if eta := got.headers.Get("X-AppEngine-TaskETA"); !regexp.MustCompile(`^[0-9]+\.[0-9]{6}$`).MatchString(eta) {
		t.Errorf("ETA %q", eta)
	}
	if time.Since(begun) > 5*time.Second {
		t.Error("slow")
	}
	waitFor(t, "the task to end", func() bool { return tasksIn(t, queue) == 0 })
}

// GAE-026: several at once, in order, with payload and headers of their own.
func TestAddMulti(t *testing.T) {
	queue := makeQueue(t, "go-multi", fast)
	var tasks []*taskqueue.Task
	for i := 0; i < 20; i++ {
		tasks = append(tasks, &taskqueue.Task{Path: "/work/multi", Method: "PUT", Payload: []byte{byte(i), 0, 255},
			Header: http.Header{"X-Colour": {"blue", "green"}}})
	}
	added, err := taskqueue.AddMulti(context.Background(), tasks, queue)
	if err != nil {
		t.Fatal(err)
	}
	first := map[string]byte{}
	for _, got := range arrived(t, "/work/multi", 20) {
		first[got.parsed.TaskName] = got.body[0]
		// GAE-025: two values are two lines, in their order.
		if colours := got.headers["X-Colour"]; len(colours) != 2 || colours[0] != "blue" || colours[1] != "green" {
			t.Fatalf("colours %v", colours)
		}
	}
	for i, task := range added {
		if first[task.Name] != byte(i) {
			t.Errorf("task %d (%s) arrived with %d", i, task.Name, first[task.Name])
		}
	}
}

// GAE-137: what Go's own parser makes of the headers of a third attempt.
func TestRetries(t *testing.T) {
	queue := makeQueue(t, "go-retries", fast)
	pushes.Lock()
	pushes.script["/work/retries"] = []int{503, 404}
	pushes.Unlock()
	if _, err := taskqueue.Add(context.Background(), &taskqueue.Task{Path: "/work/retries"}, queue); err != nil {
		t.Fatal(err)
	}
	third := arrived(t, "/work/retries", 3)[2].parsed
	if third.TaskRetryCount != 2 || third.TaskExecutionCount != 2 || third.TaskPreviousResponse != 404 || third.TaskRetryReason != "App Error" {
		t.Errorf("headers %+v", third)
	}
}

// GAE-026: a task's own retry options; one attempt and no more.
func TestRetryLimit(t *testing.T) {
	queue := makeQueue(t, "go-limit", fast)
	pushes.Lock()
	pushes.script["/work/limit"] = []int{500, 500, 500}
	pushes.Unlock()
	task := &taskqueue.Task{Path: "/work/limit", RetryOptions: &taskqueue.RetryOptions{RetryLimit: 1, MinBackoff: 10 * time.Millisecond}}
	if _, err := taskqueue.Add(context.Background(), task, queue); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the task to be given up", func() bool { return tasksIn(t, queue) == 0 })
	if got := arrived(t, "/work/limit", 2); len(got) != 2 {
		t.Errorf("%d attempts", len(got))
	}
}

// GAE-141: namespaces travel.
func TestNamespace(t *testing.T) {
	queue := makeQueue(t, "go-namespace", fast)
	ctx, err := appengine.Namespace(context.Background(), "tenant-a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := taskqueue.Add(ctx, &taskqueue.Task{Path: "/work/namespace"}, queue); err != nil {
		t.Fatal(err)
	}
	if got := arrived(t, "/work/namespace", 1)[0].headers.Get("X-AppEngine-Current-Namespace"); got != "tenant-a" {
		t.Errorf("namespace %q", got)
	}
}

// GAE-148: a handler adds by the context of its request.
func TestHandlerAdds(t *testing.T) {
	queue := makeQueue(t, "go-chain", fast)
	if _, err := taskqueue.Add(context.Background(), &taskqueue.Task{Path: "/chain", Header: http.Header{"X-Queue": {queue}}}, queue); err != nil {
		t.Fatal(err)
	}
	arrived(t, "/work/chained", 1)
}

// GAE-027 GAE-086: an existing and a tombstoned name are one error in Go.
func TestErrTaskAlreadyAdded(t *testing.T) {
	queue := makeQueue(t, "go-names", fast)
	ctx := context.Background()
	task := func() *taskqueue.Task { return &taskqueue.Task{Path: "/work/names", Name: "once", Delay: time.Hour} }
	if _, err := taskqueue.Add(ctx, task(), queue); err != nil {
		t.Fatal(err)
	}
	if _, err := taskqueue.Add(ctx, task(), queue); err != taskqueue.ErrTaskAlreadyAdded {
		t.Errorf("while it lives: %v", err)
	}
	_, err := taskqueue.AddMulti(ctx, []*taskqueue.Task{{Path: "/work/names"}, task()}, queue)
	var multi appengine.MultiError
	if !errors.As(err, &multi) || multi[0] != nil || multi[1] != taskqueue.ErrTaskAlreadyAdded {
		t.Errorf("in a batch: %v", err)
	}
	if err := taskqueue.Delete(ctx, task(), queue); err != nil {
		t.Fatal(err)
	}
	if _, err := taskqueue.Add(ctx, task(), queue); err != taskqueue.ErrTaskAlreadyAdded {
		t.Errorf("after it was deleted: %v", err)
	}
}

// GAE-042 GAE-007: the detail of a refusal is in the error's text.
func TestUnknownQueue(t *testing.T) {
	_, err := taskqueue.Add(context.Background(), &taskqueue.Task{Path: "/x"}, "nobody-made-this")
	if err == nil || !regexp.MustCompile(`API error 1 \(taskqueue: UNKNOWN_QUEUE\)`).MatchString(err.Error()) {
		t.Errorf("%v", err)
	}
}

// ---- delay

var delayed = struct {
	sync.Mutex
	calls []string
}{}

type details struct{ Suffix string }

var later = delay.MustRegister("later", func(ctx context.Context, text string, number int, more *details) error {
	headers, err := delay.RequestHeaders(ctx)
	if err != nil {
		return err
	}
	delayed.Lock()
	defer delayed.Unlock()
	if more != nil {
		text += more.Suffix
	}
	delayed.calls = append(delayed.calls, text)
	if int64(number) > headers.TaskRetryCount {
		return errors.New("again")
	}
	return nil
})

// GAE-203: the function runs with its arguments; an error is tried again.
func TestDelay(t *testing.T) {
	queue := makeQueue(t, "go-delay", fast)
	task, err := later.Task("hello", 2, &details{", world"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := taskqueue.Add(context.Background(), task, queue); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the delayed function to succeed", func() bool { return tasksIn(t, queue) == 0 })
	delayed.Lock()
	calls := append([]string(nil), delayed.calls...)
	delayed.calls = nil
	delayed.Unlock()
	if len(calls) != 3 || calls[2] != "hello, world" {
		t.Errorf("calls %q", calls)
	}
	// Call itself goes to the default queue.
	if err := later.Call(context.Background(), "default", 0, nil); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the call by the default queue", func() bool {
		delayed.Lock()
		defer delayed.Unlock()
		return len(delayed.calls) == 1 && delayed.calls[0] == "default"
	})
}

// GAE-203: what no function understands is logged by the SDK, answered 200 and so dropped.
func TestDelayDropsWhatItDoesNotKnow(t *testing.T) {
	queue := makeQueue(t, "go-delay-unknown", fast)
	if _, err := taskqueue.Add(context.Background(), &taskqueue.Task{Path: "/_ah/queue/go/delay", Payload: []byte("no gob")}, queue); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the task to end", func() bool { return tasksIn(t, queue) == 0 })
}

// GAE-026: the first generation's SDK, in the same program.
func TestVersion1(t *testing.T) {
	queue := makeQueue(t, "go-v1", map[string]any{"mode": "pull"})
	ctx := context.Background()
	if _, err := taskqueue1.AddMulti(ctx, []*taskqueue1.Task{{Method: "PULL", Payload: []byte("a")}, {Method: "PULL", Payload: []byte("b")}}, queue); err != nil {
		t.Fatal(err)
	}
	leased, err := taskqueue1.Lease(ctx, 10, queue, 60)
	if err != nil || len(leased) != 2 || leased[0].RetryCount != 1 {
		t.Fatalf("%v %v", leased, err)
	}
	if err := taskqueue1.ModifyLease(ctx, leased[0], queue, 90); err != nil {
		t.Error(err)
	}
	if err := taskqueue1.DeleteMulti(ctx, leased, queue); err != nil {
		t.Error(err)
	}
	if statistics, err := taskqueue1.QueueStats(ctx, []string{queue}); err != nil || statistics[0].Tasks != 0 || statistics[0].Executed1Minute != 2 {
		t.Errorf("%v %v", statistics, err)
	}
	if err := taskqueue1.Purge(ctx, queue); err != nil {
		t.Error(err)
	}
}
