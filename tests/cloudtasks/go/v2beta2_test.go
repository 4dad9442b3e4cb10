package client

import (
	"testing"
	"time"

	cloudtasks "cloud.google.com/go/cloudtasks/apiv2beta2"
	taskspb "cloud.google.com/go/cloudtasks/apiv2beta2/cloudtaskspb"
	"cloud.google.com/go/iam/apiv1/iampb"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/genproto/googleapis/cloud/location"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

func overV2Beta2(t *testing.T, test func(t *testing.T, c *cloudtasks.Client)) {
	overBoth(t, cloudtasks.NewClient, cloudtasks.NewRESTClient, test)
}

func makePullQueue(t *testing.T, c *cloudtasks.Client) string {
	t.Helper()
	name := parent + "/queues/" + nameOf(t)
	made, err := c.CreateQueue(ctx, &taskspb.CreateQueueRequest{Parent: parent, Queue: &taskspb.Queue{Name: name,
		TargetType: &taskspb.Queue_PullTarget{PullTarget: &taskspb.PullTarget{}}}})
	must(t, err)
	if made.GetPullTarget() == nil || made.GetRateLimits().GetMaxConcurrentTasks() != -1 {
		t.Errorf("made %v", made)
	}
	return name
}

func pullTask(payload, tag string) *taskspb.Task {
	return &taskspb.Task{PayloadType: &taskspb.Task_PullMessage{PullMessage: &taskspb.PullMessage{Payload: []byte(payload), Tag: tag}}}
}

// CT-244 CT-221 CT-222 CT-225 CT-226: a worker leases, renews, gives back, and acknowledges.
func TestBeta2Leases(t *testing.T) {
	overV2Beta2(t, func(t *testing.T, c *cloudtasks.Client) {
		queue := makePullQueue(t, c)
		made, err := c.CreateTask(ctx, &taskspb.CreateTaskRequest{Parent: queue, Task: pullTask("hello", "a")})
		must(t, err)
		if made.GetPullMessage().GetPayload() != nil || made.GetPullMessage().GetTag() != "a" {
			t.Errorf("made %v", made)
		}
		lease := &taskspb.LeaseTasksRequest{Parent: queue, MaxTasks: 10, LeaseDuration: seconds(600), ResponseView: taskspb.Task_FULL}
		begun := time.Now()
		first, err := c.LeaseTasks(ctx, lease)
		must(t, err)
		if len(first.Tasks) != 1 || string(first.Tasks[0].GetPullMessage().GetPayload()) != "hello" ||
			first.Tasks[0].GetStatus().GetAttemptDispatchCount() != 1 ||
			first.Tasks[0].ScheduleTime.AsTime().Before(begun.Add(10*time.Minute-time.Second)) {
			t.Fatalf("leased %v", first)
		}
		task := first.Tasks[0]
		none, err := c.LeaseTasks(ctx, lease)
		must(t, err)
		if len(none.Tasks) != 0 {
			t.Errorf("leased twice: %v", none)
		}

		renewed, err := c.RenewLease(ctx, &taskspb.RenewLeaseRequest{Name: task.Name, ScheduleTime: task.ScheduleTime, LeaseDuration: seconds(1200)})
		must(t, err)
		if longer := renewed.ScheduleTime.AsTime().Sub(task.ScheduleTime.AsTime()); longer < 10*time.Minute || longer > 11*time.Minute {
			t.Errorf("renewed by %v", longer)
		}
		stale := &taskspb.AcknowledgeTaskRequest{Name: task.Name, ScheduleTime: task.ScheduleTime}
		refused(t, c.AcknowledgeTask(ctx, stale), codes.FailedPrecondition, "")

		_, err = c.CancelLease(ctx, &taskspb.CancelLeaseRequest{Name: task.Name, ScheduleTime: renewed.ScheduleTime})
		must(t, err)
		second, err := c.LeaseTasks(ctx, lease)
		must(t, err)
		if len(second.Tasks) != 1 || second.Tasks[0].GetStatus().GetAttemptDispatchCount() != 2 {
			t.Fatalf("leased after cancelling: %v", second)
		}
		acknowledge := &taskspb.AcknowledgeTaskRequest{Name: task.Name, ScheduleTime: second.Tasks[0].ScheduleTime}
		must(t, c.AcknowledgeTask(ctx, acknowledge))
		refused(t, c.AcknowledgeTask(ctx, acknowledge), codes.NotFound, "")
	})
}

// CT-244 CT-220 CT-224 CT-228 CT-230: which tasks are leased, and what a pull queue refuses.
func TestBeta2Filters(t *testing.T) {
	overV2Beta2(t, func(t *testing.T, c *cloudtasks.Client) {
		queue := makePullQueue(t, c)
		var named *taskspb.Task
		for _, tag := range []string{"b", "a", "b"} {
			task, err := c.CreateTask(ctx, &taskspb.CreateTaskRequest{Parent: queue, Task: pullTask("x", tag)})
			must(t, err)
			named = task
		}
		lease := func(filter string) *taskspb.LeaseTasksRequest {
			return &taskspb.LeaseTasksRequest{Parent: queue, MaxTasks: 10, LeaseDuration: seconds(600), Filter: filter}
		}
		tagged, err := c.LeaseTasks(ctx, lease("tag=a"))
		must(t, err)
		oldest, err := c.LeaseTasks(ctx, lease("tag_function=oldest_tag()"))
		must(t, err)
		if len(tagged.Tasks) != 1 || len(oldest.Tasks) != 2 || oldest.Tasks[0].GetPullMessage().GetTag() != "b" {
			t.Errorf("tagged %v, oldest %v", tagged, oldest)
		}
		_, err = c.LeaseTasks(ctx, lease("colour=blue"))
		refused(t, err, codes.InvalidArgument, "")
		_, err = c.RunTask(ctx, &taskspb.RunTaskRequest{Name: named.Name})
		refused(t, err, codes.FailedPrecondition, "")
		_, err = c.CreateTask(ctx, &taskspb.CreateTaskRequest{Parent: queue, Task: &taskspb.Task{
			PayloadType: &taskspb.Task_HttpRequest{HttpRequest: &taskspb.HttpRequest{Url: target}}}})
		refused(t, err, codes.InvalidArgument, "")
		_, err = c.PauseQueue(ctx, &taskspb.PauseQueueRequest{Name: queue})
		must(t, err)
		_, err = c.LeaseTasks(ctx, lease(""))
		refused(t, err, codes.FailedPrecondition, "")
	})
}

// CT-244: the calls that v2beta2 shares with the others, on a queue that pushes.
func TestBeta2Queue(t *testing.T) {
	overV2Beta2(t, func(t *testing.T, c *cloudtasks.Client) {
		parent := "projects/" + nameOf(t) + "/locations/us-central1"
		name := parent + "/queues/q"
		_, err := c.CreateQueue(ctx, &taskspb.CreateQueueRequest{Parent: parent, Queue: &taskspb.Queue{Name: name}})
		must(t, err)
		updated, err := c.UpdateQueue(ctx, &taskspb.UpdateQueueRequest{
			Queue: &taskspb.Queue{Name: name, RetryConfig: &taskspb.RetryConfig{
				NumAttempts: &taskspb.RetryConfig_UnlimitedAttempts{UnlimitedAttempts: true}}},
			UpdateMask: mask("retry_config.unlimited_attempts"),
		})
		must(t, err)
		if !updated.GetRetryConfig().GetUnlimitedAttempts() || updated.GetRateLimits().GetMaxTasksDispatchedPerSecond() != 500 {
			t.Errorf("updated %v", updated)
		}
		got, err := c.GetQueue(ctx, &taskspb.GetQueueRequest{Name: name, ReadMask: mask("stats")})
		must(t, err)
		if got.GetStats() == nil {
			t.Errorf("got %v", got)
		}
		listed, err := c.ListQueues(ctx, &taskspb.ListQueuesRequest{Parent: parent}).Next()
		must(t, err)
		if !proto.Equal(listed, updated) {
			t.Errorf("listed %v", listed)
		}
		task := &taskspb.Task{ScheduleTime: inAnHour(), PayloadType: &taskspb.Task_AppEngineHttpRequest{
			AppEngineHttpRequest: &taskspb.AppEngineHttpRequest{RelativeUrl: "/beta2/" + nameOf(t), Payload: []byte("hello")}}}
		made, err := c.CreateTask(ctx, &taskspb.CreateTaskRequest{Parent: name, Task: task})
		must(t, err)
		full, err := c.GetTask(ctx, &taskspb.GetTaskRequest{Name: made.Name, ResponseView: taskspb.Task_FULL})
		must(t, err)
		if string(full.GetAppEngineHttpRequest().GetPayload()) != "hello" || made.GetAppEngineHttpRequest().GetPayload() != nil {
			t.Errorf("made %v, full %v", made, full)
		}
		if pages := pagesOf[*taskspb.Task](t, c.ListTasks(ctx, &taskspb.ListTasksRequest{Parent: name}), 5); len(pages[0]) != 1 {
			t.Errorf("pages %v", pages)
		}
		_, err = c.RunTask(ctx, &taskspb.RunTaskRequest{Name: made.Name})
		must(t, err)
		arrived(t, "/beta2/"+nameOf(t), 1)
		never, err := c.CreateTask(ctx, &taskspb.CreateTaskRequest{Parent: name, Task: task})
		must(t, err)
		must(t, c.DeleteTask(ctx, &taskspb.DeleteTaskRequest{Name: never.Name}))

		_, err = c.PauseQueue(ctx, &taskspb.PauseQueueRequest{Name: name})
		must(t, err)
		_, err = c.PurgeQueue(ctx, &taskspb.PurgeQueueRequest{Name: name})
		must(t, err)
		resumed, err := c.ResumeQueue(ctx, &taskspb.ResumeQueueRequest{Name: name})
		must(t, err)
		if resumed.State != taskspb.Queue_RUNNING || resumed.PurgeTime == nil {
			t.Errorf("resumed %v", resumed)
		}
		policy, err := c.SetIamPolicy(ctx, &iampb.SetIamPolicyRequest{Resource: name, Policy: &iampb.Policy{}})
		must(t, err)
		kept, err := c.GetIamPolicy(ctx, &iampb.GetIamPolicyRequest{Resource: name})
		must(t, err)
		if !proto.Equal(policy, kept) {
			t.Errorf("set %v, got %v", policy, kept)
		}
		_, err = c.TestIamPermissions(ctx, &iampb.TestIamPermissionsRequest{Resource: name, Permissions: []string{"cloudtasks.tasks.run"}})
		must(t, err)
		_, err = c.GetLocation(ctx, &location.GetLocationRequest{Name: parent})
		must(t, err)
		_, err = c.ListLocations(ctx, &location.ListLocationsRequest{Name: "projects/" + nameOf(t)}).Next()
		must(t, err)
		must(t, c.DeleteQueue(ctx, &taskspb.DeleteQueueRequest{Name: name}))
	})
}

// CT-244 CT-039: a queue.yaml, as old tools upload it. The client has no path for it over REST.
func TestBeta2UploadQueueYaml(t *testing.T) {
	c, err := cloudtasks.NewClient(ctx, overGRPC()...)
	must(t, err)
	defer c.Close()
	upload := func(yaml string) {
		t.Helper()
		must(t, c.UploadQueueYaml(ctx, &taskspb.UploadQueueYamlRequest{AppId: "yaml-project",
			HttpBody: &httpbody.HttpBody{ContentType: "application/octet-stream", Data: []byte(yaml)}}))
	}
	stateOf := func(id string) taskspb.Queue_State {
		got, err := c.GetQueue(ctx, &taskspb.GetQueueRequest{Name: "projects/yaml-project/locations/us-central1/queues/" + id})
		must(t, err)
		return got.State
	}
	upload("queue:\n- name: mail\n  rate: 5/s\n- name: images\n  rate: 1/s\n")
	upload("queue:\n- name: images\n  rate: 1/s\n")
	if mail, images := stateOf("mail"), stateOf("images"); mail != taskspb.Queue_DISABLED || images != taskspb.Queue_RUNNING {
		t.Errorf("mail is %v, images %v", mail, images)
	}
}
