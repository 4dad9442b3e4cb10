package client

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/appengine/v2/taskqueue"
)

func addPull(t *testing.T, queue string, tasks ...*taskqueue.Task) {
	t.Helper()
	for _, task := range tasks {
		task.Method = "PULL"
	}
	if _, err := taskqueue.AddMulti(context.Background(), tasks, queue); err != nil {
		t.Fatal(err)
	}
}

func payloads(tasks []*taskqueue.Task) string {
	var texts []string
	for _, task := range tasks {
		texts = append(texts, string(task.Payload))
	}
	return strings.Join(texts, " ")
}

// GAE-028 GAE-126 GAE-127: a fresh task shows RetryCount 1; its lease is extended by the ETA that it set, and lost by another.
func TestLease(t *testing.T) {
	queue := makeQueue(t, "go-lease", map[string]any{"mode": "pull"})
	ctx := context.Background()
	addPull(t, queue, &taskqueue.Task{Payload: []byte("x\x00\xff"), Tag: "t"})
	begun := time.Now()
	leased, err := taskqueue.Lease(ctx, 10, queue, 30)
	if err != nil || len(leased) != 1 {
		t.Fatalf("%v %v", leased, err)
	}
	task := leased[0]
	if task.RetryCount != 1 || string(task.Payload) != "x\x00\xff" || task.Tag != "t" {
		t.Errorf("%+v", task)
	}
	if task.ETA.Before(begun.Add(29*time.Second)) || task.ETA.After(time.Now().Add(31*time.Second)) {
		t.Errorf("ETA %v", task.ETA)
	}
	if again, err := taskqueue.Lease(ctx, 10, queue, 30); err != nil || len(again) != 0 {
		t.Errorf("%v %v", again, err)
	}
	stale := *task
	for _, seconds := range []int{60, 90} {
		if err := taskqueue.ModifyLease(ctx, task, queue, seconds); err != nil {
			t.Errorf("to %d s: %v", seconds, err)
		}
	}
	if err := taskqueue.ModifyLease(ctx, &stale, queue, 60); err == nil || !strings.Contains(err.Error(), "TASK_LEASE_EXPIRED") {
		t.Errorf("stale: %v", err)
	}
	if err := taskqueue.ModifyLease(ctx, task, queue, 0); err != nil {
		t.Error(err)
	}
	if again, err := taskqueue.Lease(ctx, 10, queue, 30); err != nil || len(again) != 1 || again[0].RetryCount != 2 {
		t.Errorf("%v %v", again, err)
	}
}

// GAE-119 GAE-120: Go sends an empty tag where none is asked for.
func TestLeaseByTag(t *testing.T) {
	queue := makeQueue(t, "go-tags", map[string]any{"mode": "pull"})
	ctx := context.Background()
	for _, payload := range []string{"a1", "b1", "a2", "n"} {
		addPull(t, queue, &taskqueue.Task{Payload: []byte(payload), Tag: strings.Trim(payload, "12n")})
	}
	for _, lease := range []struct{ tag, want string }{{"b", "b1"}, {"", "a1 a2"}, {"", "n"}, {"", ""}} {
		leased, err := taskqueue.LeaseByTag(ctx, 10, queue, 60, lease.tag)
		if err != nil || payloads(leased) != lease.want {
			t.Errorf("tag %q: %q, want %q (%v)", lease.tag, payloads(leased), lease.want, err)
		}
	}
}

// GAE-029: an empty, an unknown and a busy queue.
func TestQueueStats(t *testing.T) {
	empty := makeQueue(t, "go-stats-empty", map[string]any{"mode": "pull"})
	busy := makeQueue(t, "go-stats-busy", map[string]any{"mode": "pull"})
	addPull(t, busy, &taskqueue.Task{Payload: []byte("1")}, &taskqueue.Task{Payload: []byte("2"), Delay: time.Hour})
	ctx := context.Background()
	if _, err := taskqueue.Lease(ctx, 10, busy, 60); err != nil {
		t.Fatal(err)
	}
	found, err := taskqueue.QueueStats(ctx, []string{empty, "nobody-made-this", busy})
	if err != nil || len(found) != 3 {
		t.Fatalf("%v %v", found, err)
	}
	if found[0].Tasks != 0 || !found[0].OldestETA.IsZero() || found[1].Tasks != 0 || !found[1].OldestETA.IsZero() {
		t.Errorf("%+v", found[:2])
	}
	if busy := found[2]; busy.Tasks != 2 || busy.Executed1Minute != 1 || busy.InFlight != 0 || time.Until(busy.OldestETA) > time.Minute {
		t.Errorf("%+v", busy)
	}
}

// GAE-080 GAE-088: each name has its own outcome; a purge takes all.
func TestDeleteAndPurge(t *testing.T) {
	queue := makeQueue(t, "go-delete", map[string]any{"mode": "pull"})
	ctx := context.Background()
	var tasks []*taskqueue.Task
	for i := 0; i < 3; i++ {
		tasks = append(tasks, &taskqueue.Task{Payload: []byte("x"), Name: fmt.Sprintf("delete-%d", i)})
	}
	addPull(t, queue, tasks...)
	if err := taskqueue.Delete(ctx, tasks[0], queue); err != nil {
		t.Error(err)
	}
	err := taskqueue.DeleteMulti(ctx, append([]*taskqueue.Task{{Name: "never-there"}}, tasks[:2]...), queue)
	if err == nil || !strings.Contains(err.Error(), "UNKNOWN_TASK") {
		t.Errorf("%v", err)
	}
	if left := tasksIn(t, queue); left != 1 {
		t.Errorf("%d tasks left", left)
	}
	if err := taskqueue.Purge(ctx, queue); err != nil || tasksIn(t, queue) != 0 {
		t.Errorf("%v, %d tasks left", err, tasksIn(t, queue))
	}
}

// GAE-115: the wrong kind of queue, in Go's words.
func TestLeaseOfAPushQueue(t *testing.T) {
	queue := makeQueue(t, "go-push", fast)
	if _, err := taskqueue.Lease(context.Background(), 1, queue, 60); err == nil || !strings.Contains(err.Error(), "INVALID_QUEUE_MODE") {
		t.Errorf("%v", err)
	}
}
