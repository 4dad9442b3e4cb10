package client

import (
	"testing"
	"time"

	cloudtasks "cloud.google.com/go/cloudtasks/apiv2beta3"
	taskspb "cloud.google.com/go/cloudtasks/apiv2beta3/cloudtaskspb"
	"cloud.google.com/go/iam/apiv1/iampb"
	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/genproto/googleapis/cloud/location"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

func overV2Beta3(t *testing.T, test func(t *testing.T, c *cloudtasks.Client)) {
	overBoth(t, cloudtasks.NewClient, cloudtasks.NewRESTClient, test)
}

func mask(paths ...string) *fieldmaskpb.FieldMask {
	return &fieldmaskpb.FieldMask{Paths: paths}
}

func betaTask(path string) *taskspb.Task {
	return &taskspb.Task{PayloadType: &taskspb.Task_HttpRequest{HttpRequest: &taskspb.HttpRequest{
		Url: target + path, Body: []byte("hello")}}}
}

// CT-244 CT-016 CT-202 CT-203 CT-204: what v2beta3 adds to a queue, and every call that v2 has too.
func TestBeta3Queue(t *testing.T) {
	overV2Beta3(t, func(t *testing.T, c *cloudtasks.Client) {
		parent := "projects/" + nameOf(t) + "/locations/us-central1"
		name := parent + "/queues/q"
		scheme, host := taskspb.UriOverride_HTTP, "localhost"
		given := &taskspb.Queue{
			Name:         name,
			RateLimits:   &taskspb.RateLimits{MaxDispatchesPerSecond: 5, MaxBurstSize: 7},
			TaskTtl:      seconds(10 * 86400),
			TombstoneTtl: seconds(7200),
			HttpTarget: &taskspb.HttpTarget{
				UriOverride: &taskspb.UriOverride{Scheme: &scheme, Host: &host,
					UriOverrideEnforceMode: taskspb.UriOverride_IF_NOT_EXISTS},
				HeaderOverrides: []*taskspb.HttpTarget_HeaderOverride{
					{Header: &taskspb.HttpTarget_Header{Key: "X-Colour", Value: "blue"}}},
			},
		}
		made, err := c.CreateQueue(ctx, &taskspb.CreateQueueRequest{Parent: parent, Queue: given})
		must(t, err)
		expected := proto.Clone(given).(*taskspb.Queue)
		expected.State, expected.Type = taskspb.Queue_RUNNING, taskspb.Queue_PUSH
		expected.RateLimits.MaxConcurrentDispatches = 1000
		expected.RetryConfig = &taskspb.RetryConfig{MaxAttempts: 100, MinBackoff: seconds(0.1), MaxBackoff: seconds(3600), MaxDoublings: 16}
		if !proto.Equal(made, expected) {
			t.Errorf("made %v", made)
		}
		updated, err := c.UpdateQueue(ctx, &taskspb.UpdateQueueRequest{Queue: &taskspb.Queue{Name: name}, UpdateMask: mask("http_target")})
		must(t, err)
		expected.HttpTarget = nil
		if !proto.Equal(updated, expected) {
			t.Errorf("updated %v", updated)
		}

		_, err = c.PauseQueue(ctx, &taskspb.PauseQueueRequest{Name: name})
		must(t, err)
		_, err = c.CreateTask(ctx, &taskspb.CreateTaskRequest{Parent: name, Task: betaTask("/never")})
		must(t, err)
		counted, err := c.GetQueue(ctx, &taskspb.GetQueueRequest{Name: name, ReadMask: mask("stats", "state")})
		must(t, err)
		if counted.GetStats().GetTasksCount() != 1 || counted.State != taskspb.Queue_PAUSED || counted.RateLimits != nil {
			t.Errorf("counted %v", counted)
		}
		listed, err := c.ListQueues(ctx, &taskspb.ListQueuesRequest{Parent: parent, ReadMask: mask("name", "stats.tasks_count")}).Next()
		must(t, err)
		if listed.Name != name || listed.GetStats().GetTasksCount() != 1 || listed.RateLimits != nil {
			t.Errorf("listed %v", listed)
		}
		purged, err := c.PurgeQueue(ctx, &taskspb.PurgeQueueRequest{Name: name})
		must(t, err)
		resumed, err := c.ResumeQueue(ctx, &taskspb.ResumeQueueRequest{Name: name})
		must(t, err)
		if purged.PurgeTime == nil || resumed.State != taskspb.Queue_RUNNING || resumed.Stats != nil {
			t.Errorf("purged %v, resumed %v", purged, resumed)
		}

		policy, err := c.SetIamPolicy(ctx, &iampb.SetIamPolicyRequest{Resource: name, Policy: &iampb.Policy{
			Bindings: []*iampb.Binding{{Role: "roles/cloudtasks.viewer", Members: []string{"user:a@example.com"}}}}})
		must(t, err)
		kept, err := c.GetIamPolicy(ctx, &iampb.GetIamPolicyRequest{Resource: name})
		must(t, err)
		if !proto.Equal(policy, kept) {
			t.Errorf("set %v, got %v", policy, kept)
		}
		held, err := c.TestIamPermissions(ctx, &iampb.TestIamPermissionsRequest{Resource: name, Permissions: []string{"cloudtasks.queues.get"}})
		must(t, err)
		if len(held.Permissions) != 1 {
			t.Errorf("held %v", held)
		}
		place, err := c.GetLocation(ctx, &location.GetLocationRequest{Name: parent})
		must(t, err)
		first, err := c.ListLocations(ctx, &location.ListLocationsRequest{Name: "projects/" + nameOf(t)}).Next()
		must(t, err)
		if !proto.Equal(place, first) {
			t.Errorf("place %v, first %v", place, first)
		}
		must(t, c.DeleteQueue(ctx, &taskspb.DeleteQueueRequest{Name: name}))
		_, err = c.GetQueue(ctx, &taskspb.GetQueueRequest{Name: name})
		refused(t, err, codes.NotFound, noQueue)
	})
}

// CT-244 CT-141: a task with retries of its own, and the calls on tasks.
func TestBeta3Task(t *testing.T) {
	overV2Beta3(t, func(t *testing.T, c *cloudtasks.Client) {
		queue := parent + "/queues/" + nameOf(t)
		_, err := c.CreateQueue(ctx, &taskspb.CreateQueueRequest{Parent: parent, Queue: &taskspb.Queue{Name: queue}})
		must(t, err)
		path := "/" + nameOf(t) + "/500"
		task := betaTask(path)
		task.Name = queue + "/tasks/own-retries"
		task.ScheduleTime = inAnHour()
		task.RetryConfig = &taskspb.RetryConfig{MinBackoff: seconds(1200), MaxBackoff: seconds(2400)}
		made, err := c.CreateTask(ctx, &taskspb.CreateTaskRequest{Parent: queue, Task: task})
		must(t, err)
		got, err := c.GetTask(ctx, &taskspb.GetTaskRequest{Name: made.Name})
		must(t, err)
		if !proto.Equal(got, made) || got.GetRetryConfig().GetMinBackoff().AsDuration() != 20*time.Minute {
			t.Errorf("made %v, got %v", made, got)
		}
		if pages := pagesOf[*taskspb.Task](t, c.ListTasks(ctx, &taskspb.ListTasksRequest{Parent: queue}), 5); len(pages[0]) != 1 {
			t.Errorf("pages %v", pages)
		}
		_, err = c.RunTask(ctx, &taskspb.RunTaskRequest{Name: made.Name})
		must(t, err)
		arrived(t, path, 1)
		waitFor(t, "the answer to be noted", func() bool {
			got, err = c.GetTask(ctx, &taskspb.GetTaskRequest{Name: made.Name})
			return err == nil && got.ResponseCount == 1
		})
		if next := time.Until(got.ScheduleTime.AsTime()); next < 19*time.Minute || next > 20*time.Minute {
			t.Errorf("tried again in %v", next)
		}
		must(t, c.DeleteTask(ctx, &taskspb.DeleteTaskRequest{Name: made.Name}))
	})
}

// CT-244 CT-206 CT-207 CT-208: operations and keys.
func TestBeta3Batch(t *testing.T) {
	overV2Beta3(t, func(t *testing.T, c *cloudtasks.Client) {
		queue := parent + "/queues/" + nameOf(t)
		_, err := c.CreateQueue(ctx, &taskspb.CreateQueueRequest{Parent: parent, Queue: &taskspb.Queue{Name: queue}})
		must(t, err)
		task := betaTask("/never")
		task.ScheduleTime = inAnHour()
		batch := &taskspb.BatchCreateTasksRequest{Parent: queue, RequestId: "f47ac10b-58cc-4372-a567-0e02b2c3d479",
			Requests: []*taskspb.CreateTaskRequest{{Parent: queue, Task: task, ResponseView: taskspb.Task_FULL}}}
		operation, err := c.BatchCreateTasks(ctx, batch)
		must(t, err)
		made, err := operation.Wait(ctx)
		must(t, err)
		if len(made.Tasks) != 1 || string(made.Tasks[0].GetHttpRequest().GetBody()) != "hello" {
			t.Errorf("made %v", made)
		}
		again, err := c.BatchCreateTasks(ctx, batch)
		must(t, err)
		if again.Name() != operation.Name() {
			t.Errorf("a repeated request is %s, not %s", again.Name(), operation.Name())
		}
		kept, err := c.GetOperation(ctx, &longrunningpb.GetOperationRequest{Name: operation.Name()})
		must(t, err)
		if !kept.Done {
			t.Errorf("kept %v", kept)
		}

		bad := betaTask("")
		bad.GetHttpRequest().Url = ""
		failing, err := c.BatchCreateTasks(ctx, &taskspb.BatchCreateTasksRequest{Parent: queue,
			Requests: []*taskspb.CreateTaskRequest{{Parent: queue, Task: bad}}})
		must(t, err)
		_, err = failing.Wait(ctx)
		refused(t, err, codes.Aborted, "None of the requests succeeded, refer to BatchCreateTasksMetadata.failed_requests for "+
			"individual error details")

		deletion, err := c.BatchDeleteTasks(ctx, &taskspb.BatchDeleteTasksRequest{Parent: queue, Names: []string{made.Tasks[0].Name}})
		must(t, err)
		must(t, deletion.Wait(ctx))
		if metadata, err := deletion.Metadata(); err != nil || metadata.State != taskspb.BatchDeleteTasksMetadata_SUCCEEDED {
			t.Errorf("deleted %v, %v", metadata, err)
		}

		config := &taskspb.CmekConfig{Name: "projects/" + nameOf(t) + "/locations/us-central1/cmekConfig", KmsKey: "k"}
		_, err = c.UpdateCmekConfig(ctx, &taskspb.UpdateCmekConfigRequest{CmekConfig: config})
		must(t, err)
		got, err := c.GetCmekConfig(ctx, &taskspb.GetCmekConfigRequest{Name: config.Name})
		must(t, err)
		if got.KmsKey != config.KmsKey {
			t.Errorf("got %v", got)
		}
	})
}
