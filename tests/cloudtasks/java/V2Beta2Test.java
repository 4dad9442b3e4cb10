import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import com.google.api.HttpBody;
import com.google.api.gax.rpc.StatusCode.Code;
import com.google.cloud.location.GetLocationRequest;
import com.google.cloud.location.ListLocationsRequest;
import com.google.cloud.tasks.v2beta2.AcknowledgeTaskRequest;
import com.google.cloud.tasks.v2beta2.AppEngineHttpRequest;
import com.google.cloud.tasks.v2beta2.CloudTasksClient;
import com.google.cloud.tasks.v2beta2.CloudTasksSettings;
import com.google.cloud.tasks.v2beta2.GetTaskRequest;
import com.google.cloud.tasks.v2beta2.LeaseTasksRequest;
import com.google.cloud.tasks.v2beta2.LocationName;
import com.google.cloud.tasks.v2beta2.PullMessage;
import com.google.cloud.tasks.v2beta2.PullTarget;
import com.google.cloud.tasks.v2beta2.Queue;
import com.google.cloud.tasks.v2beta2.QueueName;
import com.google.cloud.tasks.v2beta2.RetryConfig;
import com.google.cloud.tasks.v2beta2.Task;
import com.google.cloud.tasks.v2beta2.UploadQueueYamlRequest;
import com.google.iam.v1.Policy;
import com.google.protobuf.ByteString;
import java.time.Instant;
import java.util.List;
import org.junit.After;
import org.junit.Assume;
import org.junit.Before;
import org.junit.ClassRule;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TestName;
import org.junit.runner.RunWith;
import org.junit.runners.Parameterized;

/** Google's Java client of v2beta2 and its pull queues, unmodified, against a real deferd. */
@RunWith(Parameterized.class)
public class V2Beta2Test {
  @Parameterized.Parameters(name = "{0}")
  public static Object[] transports() {
    return Harness.Transport.values();
  }

  @ClassRule public static final Harness deferd = new Harness();
  @Rule public final TestName name = new TestName();
  @Parameterized.Parameter public Harness.Transport transport;
  private CloudTasksClient client;
  private LocationName parent;
  private QueueName queue;

  @Before
  public void connect() throws Exception {
    CloudTasksSettings.Builder builder =
        transport == Harness.Transport.GRPC ? CloudTasksSettings.newBuilder() : CloudTasksSettings.newHttpJsonBuilder();
    client = CloudTasksClient.create(deferd.pointed(builder, transport).build());
    String project = "beta2-" + name.getMethodName().replaceAll("[^A-Za-z0-9]+", "-");
    parent = LocationName.of(project, "us-central1");
    queue = QueueName.of(project, "us-central1", "q");
  }

  @After
  public void disconnect() {
    client.close();
  }

  private void makePullQueue() {
    Queue made =
        client.createQueue(
            parent, Queue.newBuilder().setName(queue.toString()).setPullTarget(PullTarget.getDefaultInstance()).build());
    assertTrue(made.hasPullTarget());
    assertEquals(-1, made.getRateLimits().getMaxConcurrentTasks());
  }

  private Task add(String payload, String tag) {
    PullMessage message = PullMessage.newBuilder().setPayload(ByteString.copyFromUtf8(payload)).setTag(tag).build();
    return client.createTask(queue, Task.newBuilder().setPullMessage(message).build());
  }

  private List<Task> lease(String filter, Task.View view) {
    LeaseTasksRequest request =
        LeaseTasksRequest.newBuilder()
            .setParent(queue.toString())
            .setMaxTasks(10)
            .setLeaseDuration(Harness.seconds(600))
            .setFilter(filter)
            .setResponseView(view)
            .build();
    return client.leaseTasks(request).getTasksList();
  }

  private void acknowledge(Task task) {
    client.acknowledgeTask(
        AcknowledgeTaskRequest.newBuilder().setName(task.getName()).setScheduleTime(task.getScheduleTime()).build());
  }

  /** CT-245 CT-221 CT-222 CT-225 CT-226: a worker leases, renews, gives back, and acknowledges. */
  @Test
  public void leases() {
    makePullQueue();
    assertEquals(ByteString.EMPTY, add("hello", "a").getPullMessage().getPayload());
    Task first = lease("", Task.View.FULL).get(0);
    assertEquals("hello", first.getPullMessage().getPayload().toStringUtf8());
    assertEquals(1, first.getStatus().getAttemptDispatchCount());
    assertTrue(first.getScheduleTime().getSeconds() > Instant.now().getEpochSecond() + 590);
    assertEquals(List.of(), lease("", Task.View.FULL));

    Task renewed = client.renewLease(first.getName(), first.getScheduleTime(), Harness.seconds(1200));
    assertTrue(renewed.getScheduleTime().getSeconds() >= first.getScheduleTime().getSeconds() + 600);
    Harness.refused(transport, Code.FAILED_PRECONDITION, "", () -> acknowledge(first));
    client.cancelLease(renewed.getName(), renewed.getScheduleTime());
    Task second = lease("", Task.View.BASIC).get(0);
    assertEquals(2, second.getStatus().getAttemptDispatchCount());
    assertEquals(ByteString.EMPTY, second.getPullMessage().getPayload());
    acknowledge(second);
    Harness.refused(transport, Code.NOT_FOUND, "", () -> acknowledge(second));
  }

  /** CT-245 CT-224 CT-228 CT-230: which tasks are leased, and what a pull queue refuses. */
  @Test
  public void filters() {
    makePullQueue();
    List<String> tags = List.of("b", "a", "b");
    tags.forEach(tag -> add("x", tag));
    List<Task> tagged = lease("tag=a", Task.View.BASIC);
    assertEquals(1, tagged.size());
    List<Task> oldest = lease("tag_function=oldest_tag()", Task.View.BASIC);
    assertEquals(2, oldest.size());
    assertEquals("b", oldest.get(0).getPullMessage().getTag());
    Harness.refused(transport, Code.INVALID_ARGUMENT, "", () -> lease("colour=blue", Task.View.BASIC));
    Harness.refused(transport, Code.FAILED_PRECONDITION, "", () -> client.runTask(tagged.get(0).getName()));
    client.pauseQueue(queue);
    Harness.refused(transport, Code.FAILED_PRECONDITION, "", () -> lease("", Task.View.BASIC));
  }

  /** CT-245: the calls that v2beta2 shares with the others, on a queue that pushes. */
  @Test
  public void whatV2HasToo() {
    Queue.Builder given = Queue.newBuilder().setName(queue.toString());
    assertEquals(500, client.createQueue(parent, given.build()).getRateLimits().getMaxTasksDispatchedPerSecond(), 0);
    given.setRetryConfig(RetryConfig.newBuilder().setUnlimitedAttempts(true));
    Queue updated = client.updateQueue(given.build(), Harness.mask("retry_config.unlimited_attempts"));
    assertTrue(updated.getRetryConfig().getUnlimitedAttempts());
    assertEquals(updated, client.getQueue(queue));
    assertEquals(updated, client.listQueues(parent).iterateAll().iterator().next());

    Task later =
        Task.newBuilder()
            .setScheduleTime(Harness.inAnHour())
            .setAppEngineHttpRequest(
                AppEngineHttpRequest.newBuilder()
                    .setRelativeUrl("/" + parent.getProject())
                    .setPayload(ByteString.copyFromUtf8("hello")))
            .build();
    Task made = client.createTask(queue, later);
    GetTaskRequest whole = GetTaskRequest.newBuilder().setName(made.getName()).setResponseView(Task.View.FULL).build();
    assertEquals("hello", client.getTask(whole).getAppEngineHttpRequest().getPayload().toStringUtf8());
    assertEquals(made, client.listTasks(queue).iterateAll().iterator().next());
    client.runTask(made.getName());
    assertEquals("hello", deferd.arrived("/" + parent.getProject(), 1).get(0).body);
    client.deleteTask(client.createTask(queue, later).getName());

    assertEquals(Queue.State.PAUSED, client.pauseQueue(queue).getState());
    assertTrue(client.purgeQueue(queue).hasPurgeTime());
    assertEquals(Queue.State.RUNNING, client.resumeQueue(queue).getState());
    Policy set = client.setIamPolicy(queue, Policy.getDefaultInstance());
    assertEquals(set, client.getIamPolicy(queue));
    List<String> asked = List.of("cloudtasks.tasks.run");
    assertEquals(asked, client.testIamPermissions(queue, asked).getPermissionsList());
    ListLocationsRequest all = ListLocationsRequest.newBuilder().setName("projects/" + parent.getProject()).build();
    assertEquals(
        client.getLocation(GetLocationRequest.newBuilder().setName(parent.toString()).build()),
        client.listLocations(all).iterateAll().iterator().next());
    client.deleteQueue(queue);
    Harness.refused(transport, Code.NOT_FOUND, Harness.NO_QUEUE, () -> client.getQueue(queue));
  }

  /** CT-245 CT-039: a queue.yaml, as old tools upload it. The client has no path for it over HTTP/JSON. */
  @Test
  public void uploadQueueYaml() {
    Assume.assumeTrue(transport == Harness.Transport.GRPC);
    for (String yaml : List.of("queue:\n- name: q\n  rate: 5/s\n- name: other\n  rate: 1/s\n", "queue:\n- name: other\n  rate: 1/s\n")) {
      HttpBody body = HttpBody.newBuilder().setData(ByteString.copyFromUtf8(yaml)).build();
      client.uploadQueueYaml(UploadQueueYamlRequest.newBuilder().setAppId(parent.getProject()).setHttpBody(body).build());
    }
    assertEquals(Queue.State.DISABLED, client.getQueue(queue).getState());
  }
}
