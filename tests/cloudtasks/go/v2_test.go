package client

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"testing"
	"time"

	cloudtasks "cloud.google.com/go/cloudtasks/apiv2"
	taskspb "cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"cloud.google.com/go/iam/apiv1/iampb"
	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/genproto/googleapis/cloud/location"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

func overV2(t *testing.T, test func(t *testing.T, c *cloudtasks.Client)) {
	overBoth(t, cloudtasks.NewClient, cloudtasks.NewRESTClient, test)
}

// makeQueue makes a queue that is named after the test, and returns its name.
func makeQueue(t *testing.T, c *cloudtasks.Client, queue *taskspb.Queue) string {
	t.Helper()
	queue.Name = parent + "/queues/" + nameOf(t)
	_, err := c.CreateQueue(ctx, &taskspb.CreateQueueRequest{Parent: parent, Queue: queue})
	must(t, err)
	return queue.Name
}

// httpTask is a POST of "hello" to the path of our target.
func httpTask(path string) *taskspb.Task {
	return &taskspb.Task{MessageType: &taskspb.Task_HttpRequest{HttpRequest: &taskspb.HttpRequest{
		Url: target + path, Headers: map[string]string{"X-Colour": "blue"}, Body: []byte("hello")}}}
}

// gone tells whether the task has ended.
func gone(c *cloudtasks.Client, task string) func() bool {
	return func() bool {
		_, err := c.GetTask(ctx, &taskspb.GetTaskRequest{Name: task})
		return err != nil
	}
}

// CT-244 CT-001 CT-002: a queue is made with what nobody said filled in, read, changed by a mask, stopped, started, emptied, deleted.
func TestQueue(t *testing.T) {
	overV2(t, func(t *testing.T, c *cloudtasks.Client) {
		name := parent + "/queues/" + nameOf(t)
		made, err := c.CreateQueue(ctx, &taskspb.CreateQueueRequest{Parent: parent, Queue: &taskspb.Queue{Name: name}})
		must(t, err)
		expected := &taskspb.Queue{
			Name:       name,
			State:      taskspb.Queue_RUNNING,
			RateLimits: &taskspb.RateLimits{MaxDispatchesPerSecond: 500, MaxBurstSize: 100, MaxConcurrentDispatches: 1000},
			RetryConfig: &taskspb.RetryConfig{MaxAttempts: 100, MinBackoff: seconds(0.1), MaxBackoff: seconds(3600),
				MaxDoublings: 16},
		}
		if !proto.Equal(made, expected) {
			t.Errorf("made %v", made)
		}
		got, err := c.GetQueue(ctx, &taskspb.GetQueueRequest{Name: name})
		must(t, err)
		if !proto.Equal(got, expected) {
			t.Errorf("got %v", got)
		}

		// CT-185 CT-189: only what the mask names.
		updated, err := c.UpdateQueue(ctx, &taskspb.UpdateQueueRequest{
			Queue: &taskspb.Queue{Name: name, RateLimits: &taskspb.RateLimits{MaxDispatchesPerSecond: 0.25},
				RetryConfig: &taskspb.RetryConfig{MaxAttempts: 7, MaxBackoff: seconds(60)}},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"rate_limits.max_dispatches_per_second", "retry_config.max_backoff"}},
		})
		must(t, err)
		expected.RateLimits.MaxDispatchesPerSecond = 0.25
		expected.RateLimits.MaxBurstSize = 10
		expected.RetryConfig.MaxBackoff = seconds(60)
		if !proto.Equal(updated, expected) {
			t.Errorf("updated %v", updated)
		}

		paused, err := c.PauseQueue(ctx, &taskspb.PauseQueueRequest{Name: name})
		must(t, err)
		_, err = c.CreateTask(ctx, &taskspb.CreateTaskRequest{Parent: name, Task: httpTask("/never")})
		must(t, err)
		purged, err := c.PurgeQueue(ctx, &taskspb.PurgeQueueRequest{Name: name})
		must(t, err)
		if since := time.Since(purged.GetPurgeTime().AsTime()); since < 0 || since > time.Minute {
			t.Errorf("purged %v ago", since)
		}
		resumed, err := c.ResumeQueue(ctx, &taskspb.ResumeQueueRequest{Name: name})
		must(t, err)
		if paused.State != taskspb.Queue_PAUSED || purged.State != taskspb.Queue_PAUSED || resumed.State != taskspb.Queue_RUNNING {
			t.Errorf("states %v, %v, %v", paused.State, purged.State, resumed.State)
		}
		if left := pagesOf[*taskspb.Task](t, c.ListTasks(ctx, &taskspb.ListTasksRequest{Parent: name}), 10); len(left[0]) != 0 {
			t.Errorf("left after the purge: %v", left)
		}

		must(t, c.DeleteQueue(ctx, &taskspb.DeleteQueueRequest{Name: name}))
		_, err = c.GetQueue(ctx, &taskspb.GetQueueRequest{Name: name})
		refused(t, err, codes.NotFound, noQueue)
	})
}

// CT-244 CT-042 CT-044: the client's iterators follow the page tokens, and a filter leaves out.
func TestListsOfQueues(t *testing.T) {
	overV2(t, func(t *testing.T, c *cloudtasks.Client) {
		parent := "projects/lists-of-" + nameOf(t) + "/locations/us-central1"
		for _, id := range []string{"e", "a", "d", "b", "c"} {
			_, err := c.CreateQueue(ctx, &taskspb.CreateQueueRequest{Parent: parent,
				Queue: &taskspb.Queue{Name: parent + "/queues/" + id}})
			must(t, err)
		}
		for _, id := range []string{"b", "e"} {
			_, err := c.PauseQueue(ctx, &taskspb.PauseQueueRequest{Name: parent + "/queues/" + id})
			must(t, err)
		}
		all := pagesOf[*taskspb.Queue](t, c.ListQueues(ctx, &taskspb.ListQueuesRequest{Parent: parent}), 2)
		if expected := [][]string{{"a", "b"}, {"c", "d"}, {"e"}}; !reflect.DeepEqual(all, expected) {
			t.Errorf("pages %v", all)
		}
		paused := pagesOf[*taskspb.Queue](t,
			c.ListQueues(ctx, &taskspb.ListQueuesRequest{Parent: parent, Filter: "state: PAUSED"}), 10)
		if expected := [][]string{{"b", "e"}}; !reflect.DeepEqual(paused, expected) {
			t.Errorf("paused %v", paused)
		}
	})
}

// CT-244 CT-050 CT-054 CT-058 CT-059 CT-060: tasks of both kinds, with and without a name, read in both views.
func TestTask(t *testing.T) {
	overV2(t, func(t *testing.T, c *cloudtasks.Client) {
		queue := makeQueue(t, c, &taskspb.Queue{})
		later := inAnHour()

		task := httpTask("/later")
		task.Name = queue + "/tasks/named_1"
		task.ScheduleTime = later
		made, err := c.CreateTask(ctx, &taskspb.CreateTaskRequest{Parent: queue, Task: task})
		must(t, err)
		request := made.GetHttpRequest()
		if made.View != taskspb.Task_BASIC || request.GetBody() != nil || request.GetHeaders()["X-Colour"] != "blue" ||
			request.GetHttpMethod() != taskspb.HttpMethod_POST || made.GetDispatchDeadline().AsDuration() != 10*time.Minute ||
			made.CreateTime.GetNanos() != 0 || made.ScheduleTime.AsTime().Sub(later.AsTime()).Abs() > time.Microsecond {
			t.Errorf("made %v", made)
		}
		full, err := c.GetTask(ctx, &taskspb.GetTaskRequest{Name: task.Name, ResponseView: taskspb.Task_FULL})
		must(t, err)
		if full.View != taskspb.Task_FULL || string(full.GetHttpRequest().GetBody()) != "hello" {
			t.Errorf("full %v", full)
		}
		full.View, full.GetHttpRequest().Body = taskspb.Task_BASIC, nil
		if !proto.Equal(full, made) {
			t.Errorf("full\n%v differs from what was made\n%v", full, made)
		}

		binary := []byte{0, 255, 254, '\n'}
		unnamed, err := c.CreateTask(ctx, &taskspb.CreateTaskRequest{Parent: queue, ResponseView: taskspb.Task_FULL,
			Task: &taskspb.Task{ScheduleTime: later, DispatchDeadline: seconds(3600),
				MessageType: &taskspb.Task_AppEngineHttpRequest{AppEngineHttpRequest: &taskspb.AppEngineHttpRequest{
					HttpMethod: taskspb.HttpMethod_PUT, RelativeUri: "/jobs?n=1", Body: binary,
					AppEngineRouting: &taskspb.AppEngineRouting{Service: "worker"}}}}})
		must(t, err)
		appEngine := unnamed.GetAppEngineHttpRequest()
		if !regexp.MustCompile(`^[0-9]{17,20}$`).MatchString(lastOf(unnamed.Name)) || !bytes.Equal(appEngine.GetBody(), binary) ||
			appEngine.GetAppEngineRouting().GetHost() == "" || appEngine.GetHeaders()["Content-Type"] != "application/octet-stream" ||
			unnamed.GetDispatchDeadline().AsDuration() != time.Hour {
			t.Errorf("unnamed %v", unnamed)
		}

		// CT-097
		must(t, c.DeleteTask(ctx, &taskspb.DeleteTaskRequest{Name: task.Name}))
		must(t, c.DeleteTask(ctx, &taskspb.DeleteTaskRequest{Name: unnamed.Name}))
		refused(t, c.DeleteTask(ctx, &taskspb.DeleteTaskRequest{Name: unnamed.Name}), codes.NotFound, "")
	})
}

// CT-244 CT-094: pages of tasks together hold each of them once.
func TestListsOfTasks(t *testing.T) {
	overV2(t, func(t *testing.T, c *cloudtasks.Client) {
		queue := makeQueue(t, c, &taskspb.Queue{})
		for i := range 5 {
			task := httpTask("/never")
			task.Name = fmt.Sprintf("%s/tasks/t%d", queue, i)
			task.ScheduleTime = inAnHour()
			_, err := c.CreateTask(ctx, &taskspb.CreateTaskRequest{Parent: queue, Task: task})
			must(t, err)
		}
		pages := pagesOf[*taskspb.Task](t, c.ListTasks(ctx, &taskspb.ListTasksRequest{Parent: queue}), 2)
		if expected := [][]string{{"t0", "t1"}, {"t2", "t3"}, {"t4"}}; !reflect.DeepEqual(pages, expected) {
			t.Errorf("pages %v", pages)
		}
		first, err := c.ListTasks(ctx, &taskspb.ListTasksRequest{Parent: queue, ResponseView: taskspb.Task_FULL}).Next()
		must(t, err)
		if first.View != taskspb.Task_FULL || string(first.GetHttpRequest().GetBody()) != "hello" {
			t.Errorf("first in full view: %v", first)
		}
	})
}

// CT-244 CT-100: what arrives is what was given, and a task that was answered 200 is gone.
func TestDispatch(t *testing.T) {
	overV2(t, func(t *testing.T, c *cloudtasks.Client) {
		queue := makeQueue(t, c, &taskspb.Queue{})
		path := "/work?by=" + nameOf(t)
		task := httpTask(path)
		task.GetHttpRequest().HttpMethod = taskspb.HttpMethod_PUT
		made, err := c.CreateTask(ctx, &taskspb.CreateTaskRequest{Parent: queue, Task: task})
		must(t, err)
		got := arrived(t, path, 1)[0]
		if got.method != "PUT" || got.body != "hello" || got.headers.Get("X-Colour") != "blue" {
			t.Errorf("arrived %+v", got)
		}
		waitFor(t, "the task to end", gone(c, made.Name))

		_, err = c.CreateTask(ctx, &taskspb.CreateTaskRequest{Parent: queue, Task: &taskspb.Task{
			MessageType: &taskspb.Task_AppEngineHttpRequest{AppEngineHttpRequest: &taskspb.AppEngineHttpRequest{
				RelativeUri: "/app-engine?by=" + nameOf(t), Body: []byte("hello")}}}})
		must(t, err)
		got = arrived(t, "/app-engine?by="+nameOf(t), 1)[0]
		if got.method != "POST" || got.body != "hello" || got.headers.Get("X-AppEngine-QueueName") != nameOf(t) {
			t.Errorf("arrived %+v", got)
		}
	})
}

// CT-244 CT-160 CT-161 CT-162 CT-116 CT-117: RunTask goes ahead of time and pause; the failure shows in the task.
func TestRunTask(t *testing.T) {
	overV2(t, func(t *testing.T, c *cloudtasks.Client) {
		queue := makeQueue(t, c, &taskspb.Queue{RetryConfig: &taskspb.RetryConfig{MinBackoff: seconds(1800)}})
		_, err := c.PauseQueue(ctx, &taskspb.PauseQueueRequest{Name: queue})
		must(t, err)
		path := "/" + nameOf(t) + "/503"
		task := httpTask(path)
		task.ScheduleTime = inAnHour()
		made, err := c.CreateTask(ctx, &taskspb.CreateTaskRequest{Parent: queue, Task: task})
		must(t, err)
		run, err := c.RunTask(ctx, &taskspb.RunTaskRequest{Name: made.Name, ResponseView: taskspb.Task_FULL})
		must(t, err)
		if run.DispatchCount != 1 || run.GetLastAttempt().GetDispatchTime() == nil || string(run.GetHttpRequest().GetBody()) != "hello" {
			t.Errorf("run %v", run)
		}
		arrived(t, path, 1)
		var failed *taskspb.Task
		waitFor(t, "the answer to be noted", func() bool {
			failed, err = c.GetTask(ctx, &taskspb.GetTaskRequest{Name: made.Name})
			return err == nil && failed.ResponseCount == 1
		})
		status := failed.GetLastAttempt().GetResponseStatus()
		if codes.Code(status.GetCode()) != codes.Unavailable || status.GetMessage() != "UNAVAILABLE(14): HTTP status code 503" ||
			failed.GetFirstAttempt().GetDispatchTime() == nil || failed.GetFirstAttempt().GetResponseTime() != nil ||
			failed.GetLastAttempt().GetResponseTime() == nil {
			t.Errorf("failed %v", failed)
		}
		if next := time.Until(failed.ScheduleTime.AsTime()); next < 29*time.Minute || next > 30*time.Minute {
			t.Errorf("tried again in %v", next)
		}
	})
}

// CT-244 CT-181: failures are the client's own errors, with code, text and details.
func TestFailures(t *testing.T) {
	overV2(t, func(t *testing.T, c *cloudtasks.Client) {
		queue := makeQueue(t, c, &taskspb.Queue{})
		_, err := c.CreateQueue(ctx, &taskspb.CreateQueueRequest{Parent: parent, Queue: &taskspb.Queue{Name: queue}})
		refused(t, err, codes.AlreadyExists, "Queue already exists")

		_, err = c.CreateQueue(ctx, &taskspb.CreateQueueRequest{Parent: parent,
			Queue: &taskspb.Queue{Name: parent + "/queues/under_score"}})
		details := refused(t, err, codes.InvalidArgument,
			`Queue name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>".`)
		if links := details.Help.GetLinks(); len(links) != 1 || links[0].Description != "Definition of queue name" {
			t.Errorf("help %v", links)
		}

		task := httpTask("/never")
		task.Name = queue + "/tasks/twice"
		task.ScheduleTime = inAnHour()
		create := &taskspb.CreateTaskRequest{Parent: queue, Task: task}
		_, err = c.CreateTask(ctx, create)
		must(t, err)
		_, err = c.CreateTask(ctx, create)
		refused(t, err, codes.AlreadyExists, "Requested entity already exists")
		must(t, c.DeleteTask(ctx, &taskspb.DeleteTaskRequest{Name: task.Name}))
		_, err = c.CreateTask(ctx, create)
		refused(t, err, codes.AlreadyExists, "The task cannot be created because a task with this name existed too recently. "+
			"For more information about task de-duplication see "+
			"https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks/create#body.request_body.FIELDS.task.")

		task.Name = queue + "/tasks/a.b"
		_, err = c.CreateTask(ctx, create)
		details = refused(t, err, codes.InvalidArgument, `Task ID "a.b" can contain only letters ([A-Za-z]), numbers ([0-9]), `+
			"hyphens (-), or underscores (_). Task ID must between 1 and 500 characters.")
		if links := details.Help.GetLinks(); len(links) != 1 || links[0].Description != "Definition of task ID" {
			t.Errorf("help %v", links)
		}

		_, err = c.RunTask(ctx, &taskspb.RunTaskRequest{Name: queue + "/tasks/never-was"})
		refused(t, err, codes.NotFound, "Requested entity was not found.")
		_, err = c.PauseQueue(ctx, &taskspb.PauseQueueRequest{Name: queue + "-not"})
		refused(t, err, codes.NotFound, noQueue)
		_, err = c.UpdateQueue(ctx, &taskspb.UpdateQueueRequest{Queue: &taskspb.Queue{Name: queue,
			RateLimits: &taskspb.RateLimits{MaxDispatchesPerSecond: 501}}})
		refused(t, err, codes.InvalidArgument, "RateLimits.maxDispatchesPerSecond must be less than or equal to 500.")
	})
}

// CT-244 CT-175 CT-176: a policy is kept, and changed only by who has seen the last one.
func TestPolicy(t *testing.T) {
	overV2(t, func(t *testing.T, c *cloudtasks.Client) {
		queue := makeQueue(t, c, &taskspb.Queue{})
		empty, err := c.GetIamPolicy(ctx, &iampb.GetIamPolicyRequest{Resource: queue})
		must(t, err)
		if len(empty.Bindings) != 0 {
			t.Errorf("bindings of a new queue: %v", empty)
		}
		policy := &iampb.Policy{Etag: empty.Etag,
			Bindings: []*iampb.Binding{{Role: "roles/cloudtasks.enqueuer", Members: []string{"user:a@example.com"}}}}
		set, err := c.SetIamPolicy(ctx, &iampb.SetIamPolicyRequest{Resource: queue, Policy: policy})
		must(t, err)
		got, err := c.GetIamPolicy(ctx, &iampb.GetIamPolicyRequest{Resource: queue})
		must(t, err)
		if !proto.Equal(got, set) || len(got.Bindings) != 1 || !proto.Equal(got.Bindings[0], policy.Bindings[0]) ||
			len(got.Etag) == 0 || bytes.Equal(got.Etag, empty.Etag) {
			t.Errorf("set %v, got %v", set, got)
		}
		policy.Etag = []byte("stale")
		_, err = c.SetIamPolicy(ctx, &iampb.SetIamPolicyRequest{Resource: queue, Policy: policy})
		refused(t, err, codes.Aborted, "")
		asked := []string{"cloudtasks.tasks.create", "cloudtasks.queues.get"}
		held, err := c.TestIamPermissions(ctx, &iampb.TestIamPermissionsRequest{Resource: queue, Permissions: asked})
		must(t, err)
		if !reflect.DeepEqual(held.Permissions, asked) {
			t.Errorf("held %v", held)
		}
	})
}

// CT-244 CT-191
func TestLocations(t *testing.T) {
	overV2(t, func(t *testing.T, c *cloudtasks.Client) {
		first, err := c.ListLocations(ctx, &location.ListLocationsRequest{Name: "projects/my-project"}).Next()
		must(t, err)
		one, err := c.GetLocation(ctx, &location.GetLocationRequest{Name: parent})
		must(t, err)
		if !proto.Equal(first, one) || one.Name != parent || one.LocationId != "us-central1" {
			t.Errorf("listed %v, got %v", first, one)
		}
	})
}

// CT-244 CT-205 CT-208: a batch is an operation of the client's, with what failed in its metadata.
func TestBatch(t *testing.T) {
	overV2(t, func(t *testing.T, c *cloudtasks.Client) {
		queue := makeQueue(t, c, &taskspb.Queue{})
		var requests []*taskspb.CreateTaskRequest
		for _, path := range []string{"/never", "", "/never"} {
			task := httpTask(path)
			task.ScheduleTime = inAnHour()
			if path == "" {
				task.GetHttpRequest().Url = ""
			}
			requests = append(requests, &taskspb.CreateTaskRequest{Parent: queue, Task: task})
		}
		operation, err := c.BatchCreateTasks(ctx, &taskspb.BatchCreateTasksRequest{Parent: queue, Requests: requests})
		must(t, err)
		response, err := operation.Wait(ctx)
		must(t, err)
		metadata, err := operation.Metadata()
		must(t, err)
		failed := metadata.GetFailedRequests()
		if len(response.Tasks) != 2 || metadata.State != taskspb.BatchCreateTasksMetadata_PARTIALLY_SUCCEEDED || len(failed) != 1 ||
			codes.Code(failed[1].GetCode()) != codes.InvalidArgument || failed[1].GetMessage() != "HttpRequest.url is required." {
			t.Errorf("response %v, metadata %v", response, metadata)
		}
		again, err := c.GetOperation(ctx, &longrunningpb.GetOperationRequest{Name: operation.Name()})
		must(t, err)
		if !again.Done || again.GetResponse() == nil {
			t.Errorf("operation %v", again)
		}

		names := []string{response.Tasks[0].Name, queue + "/tasks/never-was"}
		deletion, err := c.BatchDeleteTasks(ctx, &taskspb.BatchDeleteTasksRequest{Parent: queue, Names: names})
		must(t, err)
		must(t, deletion.Wait(ctx))
		deleted, err := deletion.Metadata()
		must(t, err)
		if deleted.State != taskspb.BatchDeleteTasksMetadata_PARTIALLY_SUCCEEDED || len(deleted.FailedRequests) != 1 ||
			codes.Code(deleted.FailedRequests[1].GetCode()) != codes.NotFound {
			t.Errorf("deleted %v", deleted)
		}
		left := pagesOf[*taskspb.Task](t, c.ListTasks(ctx, &taskspb.ListTasksRequest{Parent: queue}), 10)
		if expected := [][]string{{lastOf(response.Tasks[1].Name)}}; !reflect.DeepEqual(left, expected) {
			t.Errorf("left %v", left)
		}
	})
}

// CT-244: the key that a location's queues are encrypted with is kept.
func TestCmekConfig(t *testing.T) {
	overV2(t, func(t *testing.T, c *cloudtasks.Client) {
		name := "projects/keys-of-" + nameOf(t) + "/locations/us-central1/cmekConfig"
		key := "projects/p/locations/us-central1/keyRings/r/cryptoKeys/k"
		set, err := c.UpdateCmekConfig(ctx, &taskspb.UpdateCmekConfigRequest{CmekConfig: &taskspb.CmekConfig{Name: name, KmsKey: key},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"kms_key"}}})
		must(t, err)
		got, err := c.GetCmekConfig(ctx, &taskspb.GetCmekConfigRequest{Name: name})
		must(t, err)
		if !proto.Equal(set, got) || got.KmsKey != key {
			t.Errorf("set %v, got %v", set, got)
		}
	})
}
