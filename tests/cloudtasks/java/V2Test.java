import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotEquals;
import static org.junit.Assert.assertTrue;

import com.google.api.gax.rpc.ApiException;
import com.google.api.gax.rpc.ErrorDetails;
import com.google.api.gax.rpc.StatusCode.Code;
import com.google.cloud.location.GetLocationRequest;
import com.google.cloud.location.ListLocationsRequest;
import com.google.cloud.location.Location;
import com.google.cloud.tasks.v2.AppEngineHttpRequest;
import com.google.cloud.tasks.v2.AppEngineRouting;
import com.google.cloud.tasks.v2.CloudTasksClient;
import com.google.cloud.tasks.v2.CloudTasksSettings;
import com.google.cloud.tasks.v2.CreateTaskRequest;
import com.google.cloud.tasks.v2.GetTaskRequest;
import com.google.cloud.tasks.v2.HttpMethod;
import com.google.cloud.tasks.v2.HttpRequest;
import com.google.cloud.tasks.v2.ListQueuesRequest;
import com.google.cloud.tasks.v2.ListTasksRequest;
import com.google.cloud.tasks.v2.LocationName;
import com.google.cloud.tasks.v2.Queue;
import com.google.cloud.tasks.v2.QueueName;
import com.google.cloud.tasks.v2.RateLimits;
import com.google.cloud.tasks.v2.RetryConfig;
import com.google.cloud.tasks.v2.RunTaskRequest;
import com.google.cloud.tasks.v2.Task;
import com.google.iam.v1.Binding;
import com.google.iam.v1.GetIamPolicyRequest;
import com.google.iam.v1.Policy;
import com.google.iam.v1.SetIamPolicyRequest;
import com.google.iam.v1.TestIamPermissionsRequest;
import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.After;
import org.junit.Before;
import org.junit.ClassRule;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TestName;
import org.junit.runner.RunWith;
import org.junit.runners.Parameterized;

/** Google's Java client of v2, unmodified, against a real deferd, over gRPC and over HTTP/JSON. */
@RunWith(Parameterized.class)
public class V2Test {
  @Parameterized.Parameters(name = "{0}")
  public static Object[] transports() {
    return Harness.Transport.values();
  }

  @ClassRule public static final Harness deferd = new Harness();
  @Rule public final TestName name = new TestName();
  @Parameterized.Parameter public Harness.Transport transport;
  private CloudTasksClient client;
  private LocationName parent;

  @Before
  public void connect() throws Exception {
    CloudTasksSettings.Builder builder =
        transport == Harness.Transport.GRPC ? CloudTasksSettings.newBuilder() : CloudTasksSettings.newHttpJsonBuilder();
    client = CloudTasksClient.create(deferd.pointed(builder, transport).build());
    parent = LocationName.of("v2-" + testId(), "us-central1");
  }

  @After
  public void disconnect() {
    client.close();
  }

  /** Such as aQueue-GRPC. */
  private String testId() {
    return name.getMethodName().replace("[", "-").replace("]", "").replace("_", "-");
  }

  private QueueName queueNamed(String id) {
    return QueueName.of(parent.getProject(), parent.getLocation(), id);
  }

  private String makeQueue(Queue.Builder settings) {
    return client.createQueue(parent, settings.setName(queueNamed("q").toString()).build()).getName();
  }

  private HttpRequest.Builder post(String path) {
    return HttpRequest.newBuilder()
        .setUrl(deferd.url(path))
        .putHeaders("X-Colour", "blue")
        .setBody(ByteString.copyFromUtf8("hello"));
  }

  private Task.Builder later() {
    return Task.newBuilder().setHttpRequest(post("/never")).setScheduleTime(Harness.inAnHour());
  }

  private Task get(String task, Task.View view) {
    return client.getTask(GetTaskRequest.newBuilder().setName(task).setResponseView(view).build());
  }

  private boolean isGone(String task) {
    try {
      client.getTask(task);
      return false;
    } catch (ApiException error) {
      return true;
    }
  }

  private ErrorDetails refused(Code code, String text, org.junit.function.ThrowingRunnable call) {
    return Harness.refused(transport, code, text, call);
  }

  /** CT-245 CT-001 CT-002 CT-185 CT-189: a queue is made with what nobody said filled in, read, and changed by a mask. */
  @Test
  public void aQueue() {
    String queue = queueNamed("q").toString();
    Queue made = client.createQueue(parent, Queue.newBuilder().setName(queue).build());
    Queue expected =
        Queue.newBuilder()
            .setName(queue)
            .setState(Queue.State.RUNNING)
            .setRateLimits(
                RateLimits.newBuilder().setMaxDispatchesPerSecond(500).setMaxBurstSize(100).setMaxConcurrentDispatches(1000))
            .setRetryConfig(
                RetryConfig.newBuilder()
                    .setMaxAttempts(100)
                    .setMinBackoff(Duration.newBuilder().setNanos(100_000_000))
                    .setMaxBackoff(Harness.seconds(3600))
                    .setMaxDoublings(16))
            .build();
    assertEquals(expected, made);
    assertEquals(expected, client.getQueue(queue));

    Queue.Builder change = Queue.newBuilder().setName(queue);
    change.getRateLimitsBuilder().setMaxDispatchesPerSecond(0.25);
    change.getRetryConfigBuilder().setMaxAttempts(7).setMaxBackoff(Harness.seconds(60));
    Queue updated =
        client.updateQueue(
            change.build(), Harness.mask("rate_limits.max_dispatches_per_second", "retry_config.max_backoff"));
    Queue.Builder changed = expected.toBuilder();
    changed.getRateLimitsBuilder().setMaxDispatchesPerSecond(0.25).setMaxBurstSize(10);
    changed.getRetryConfigBuilder().setMaxBackoff(Harness.seconds(60));
    assertEquals(changed.build(), updated);
  }

  /** CT-245 CT-035 CT-037 CT-040 CT-023: a queue is stopped, emptied, started and deleted. */
  @Test
  public void statesOfAQueue() {
    String queue = makeQueue(Queue.newBuilder());
    assertEquals(Queue.State.PAUSED, client.pauseQueue(queue).getState());
    client.createTask(queue, Task.newBuilder().setHttpRequest(post("/never")).build());
    Queue purged = client.purgeQueue(queue);
    assertTrue(Math.abs(Instant.now().getEpochSecond() - purged.getPurgeTime().getSeconds()) < 60);
    assertEquals(Queue.State.RUNNING, client.resumeQueue(queue).getState());
    assertEquals(List.of(), namesOf(client.listTasks(queue).iterateAll()));
    client.deleteQueue(queue);
    refused(Code.NOT_FOUND, Harness.NO_QUEUE, () -> client.getQueue(queue));
  }

  private static List<String> namesOf(Iterable<Task> tasks) {
    List<String> names = new ArrayList<>();
    tasks.forEach(task -> names.add(Harness.lastOf(task.getName())));
    return names;
  }

  /** CT-245 CT-042 CT-044: the client follows the page tokens, and a filter leaves out. */
  @Test
  public void listsOfQueues() {
    for (String id : List.of("e", "a", "d", "b", "c")) {
      client.createQueue(parent, Queue.newBuilder().setName(queueNamed(id).toString()).build());
    }
    client.pauseQueue(queueNamed("b"));
    List<List<String>> pages = new ArrayList<>();
    ListQueuesRequest inTwos = ListQueuesRequest.newBuilder().setParent(parent.toString()).setPageSize(2).build();
    for (CloudTasksClient.ListQueuesPage page : client.listQueues(inTwos).iteratePages()) {
      List<String> names = new ArrayList<>();
      page.getValues().forEach(queue -> names.add(Harness.lastOf(queue.getName())));
      pages.add(names);
    }
    assertEquals(List.of(List.of("a", "b"), List.of("c", "d"), List.of("e")), pages);
    List<String> paused = new ArrayList<>();
    ListQueuesRequest filtered = inTwos.toBuilder().setFilter("state=PAUSED").build();
    client.listQueues(filtered).iterateAll().forEach(queue -> paused.add(Harness.lastOf(queue.getName())));
    assertEquals(List.of("b"), paused);
  }

  /** CT-245 CT-054 CT-058 CT-059 CT-060 CT-097: a named task, in both views. */
  @Test
  public void aNamedTask() {
    String queue = makeQueue(Queue.newBuilder());
    Task given = later().setName(queue + "/tasks/named_1").build();
    Task made = client.createTask(queue, given);
    assertEquals(Task.View.BASIC, made.getView());
    assertEquals(ByteString.EMPTY, made.getHttpRequest().getBody());
    assertEquals("blue", made.getHttpRequest().getHeadersOrThrow("X-Colour"));
    assertEquals(HttpMethod.POST, made.getHttpRequest().getHttpMethod());
    assertEquals(Harness.seconds(600), made.getDispatchDeadline());
    assertEquals(given.getScheduleTime(), made.getScheduleTime());
    assertEquals(0, made.getCreateTime().getNanos());
    assertEquals(made, client.getTask(given.getName()));
    Task full = get(given.getName(), Task.View.FULL);
    Task.Builder expected = made.toBuilder().setView(Task.View.FULL);
    expected.getHttpRequestBuilder().setBody(given.getHttpRequest().getBody());
    assertEquals(expected.build(), full);
    client.deleteTask(given.getName());
    refused(Code.NOT_FOUND, "The task no longer exists, though a task with this name existed recently.",
        () -> client.deleteTask(given.getName()));
  }

  /** CT-245 CT-050 CT-080: an App Engine task gets a number, what nobody said, and every byte of its body. */
  @Test
  public void anUnnamedTask() {
    String queue = makeQueue(Queue.newBuilder());
    ByteString binary = ByteString.copyFrom(new byte[] {0, -1, -2, '\n'});
    Task made =
        client.createTask(
            CreateTaskRequest.newBuilder()
                .setParent(queue)
                .setResponseView(Task.View.FULL)
                .setTask(
                    Task.newBuilder()
                        .setScheduleTime(Harness.inAnHour())
                        .setDispatchDeadline(Harness.seconds(3600))
                        .setAppEngineHttpRequest(
                            AppEngineHttpRequest.newBuilder()
                                .setHttpMethod(HttpMethod.PUT)
                                .setRelativeUri("/jobs?n=1")
                                .setBody(binary)
                                .setAppEngineRouting(AppEngineRouting.newBuilder().setService("worker"))))
                .build());
    assertTrue(made.getName(), Harness.lastOf(made.getName()).matches("[0-9]{17,20}"));
    assertEquals(binary, made.getAppEngineHttpRequest().getBody());
    assertEquals("application/octet-stream", made.getAppEngineHttpRequest().getHeadersOrThrow("Content-Type"));
    assertNotEquals("", made.getAppEngineHttpRequest().getAppEngineRouting().getHost());
    assertEquals(Harness.seconds(3600), made.getDispatchDeadline());
  }

  /** CT-245 CT-094: pages of tasks together hold each of them once. */
  @Test
  public void listsOfTasks() {
    String queue = makeQueue(Queue.newBuilder());
    for (int i = 0; i < 5; ++i) {
      client.createTask(queue, later().setName(queue + "/tasks/t" + i).build());
    }
    ListTasksRequest inTwos =
        ListTasksRequest.newBuilder().setParent(queue).setPageSize(2).setResponseView(Task.View.FULL).build();
    assertEquals(List.of("t0", "t1", "t2", "t3", "t4"), namesOf(client.listTasks(inTwos).iterateAll()));
    CloudTasksClient.ListTasksPage first = client.listTasks(inTwos).getPage();
    assertEquals(2, first.getPageElementCount());
    assertTrue(first.hasNextPage());
    assertEquals("hello", first.getValues().iterator().next().getHttpRequest().getBody().toStringUtf8());
  }

  /** CT-245 CT-100: what arrives is what was given, and a task that was answered 200 is gone. */
  @Test
  public void dispatch() {
    String queue = makeQueue(Queue.newBuilder());
    String path = "/work/" + testId();
    Task made =
        client.createTask(queue, Task.newBuilder().setHttpRequest(post(path).setHttpMethod(HttpMethod.PUT)).build());
    Harness.Arrival arrival = deferd.arrived(path, 1).get(0);
    assertEquals("PUT", arrival.method);
    assertEquals("hello", arrival.body);
    assertEquals("blue", arrival.header("X-colour"));
    Harness.waitFor("the task to end", () -> isGone(made.getName()));

    String appEngine = "/app-engine/" + testId();
    client.createTask(
        queue,
        Task.newBuilder()
            .setAppEngineHttpRequest(
                AppEngineHttpRequest.newBuilder().setRelativeUri(appEngine).setBody(ByteString.copyFromUtf8("hello")))
            .build());
    arrival = deferd.arrived(appEngine, 1).get(0);
    assertEquals("hello", arrival.body);
    assertEquals("q", arrival.header("X-appengine-queuename"));
  }

  /** CT-245 CT-160 CT-161 CT-162 CT-116 CT-117: RunTask goes ahead of time and pause; the failure shows in the task. */
  @Test
  public void runTask() {
    String queue =
        makeQueue(Queue.newBuilder().setRetryConfig(RetryConfig.newBuilder().setMinBackoff(Harness.seconds(1800))));
    client.pauseQueue(queue);
    String path = "/" + testId() + "/503";
    String task = client.createTask(queue, later().setHttpRequest(post(path)).build()).getName();
    Task run = client.runTask(RunTaskRequest.newBuilder().setName(task).setResponseView(Task.View.FULL).build());
    assertEquals(1, run.getDispatchCount());
    assertTrue(run.getLastAttempt().hasDispatchTime());
    assertEquals("hello", run.getHttpRequest().getBody().toStringUtf8());
    deferd.arrived(path, 1);
    AtomicReference<Task> failed = new AtomicReference<>();
    Harness.waitFor("the answer to be noted", () -> {
      failed.set(client.getTask(task));
      return failed.get().getResponseCount() == 1;
    });
    assertEquals("UNAVAILABLE(14): HTTP status code 503", failed.get().getLastAttempt().getResponseStatus().getMessage());
    assertEquals(14, failed.get().getLastAttempt().getResponseStatus().getCode());
    assertTrue(failed.get().getFirstAttempt().hasDispatchTime());
    assertTrue(failed.get().getLastAttempt().hasResponseTime());
    long next = failed.get().getScheduleTime().getSeconds() - Instant.now().getEpochSecond();
    assertTrue("tried again in " + next + " s", next > 1740 && next <= 1800);
  }

  /** CT-245 CT-181: failures are the client's own exceptions, with code, text and details. */
  @Test
  public void failures() {
    String queue = makeQueue(Queue.newBuilder());
    Queue again = Queue.newBuilder().setName(queue).build();
    refused(Code.ALREADY_EXISTS, "Queue already exists", () -> client.createQueue(parent, again));
    Queue underscore = Queue.newBuilder().setName(parent + "/queues/under_score").build();
    ErrorDetails details =
        refused(Code.INVALID_ARGUMENT, "Queue name must be formatted: ", () -> client.createQueue(parent, underscore));
    assertEquals("Definition of queue name", details.getHelp().getLinks(0).getDescription());

    Task named = later().setName(queue + "/tasks/twice").build();
    client.createTask(queue, named);
    refused(Code.ALREADY_EXISTS, "Requested entity already exists", () -> client.createTask(queue, named));
    client.deleteTask(named.getName());
    refused(Code.ALREADY_EXISTS, "The task cannot be created because a task with this name existed too recently.",
        () -> client.createTask(queue, named));
    Task dotted = later().setName(queue + "/tasks/a.b").build();
    details = refused(Code.INVALID_ARGUMENT, "can contain only letters ([A-Za-z])", () -> client.createTask(queue, dotted));
    assertEquals("Definition of task ID", details.getHelp().getLinks(0).getDescription());
    refused(Code.NOT_FOUND, "Requested entity was not found.", () -> client.runTask(queue + "/tasks/never-was"));
    refused(Code.NOT_FOUND, Harness.NO_QUEUE, () -> client.pauseQueue(queueNamed("none")));
    Queue fast =
        Queue.newBuilder().setName(queue).setRateLimits(RateLimits.newBuilder().setMaxDispatchesPerSecond(501)).build();
    refused(Code.INVALID_ARGUMENT, "RateLimits.maxDispatchesPerSecond must be less than or equal to 500.",
        () -> client.updateQueue(fast, Harness.mask()));
  }

  /** CT-245 CT-175 CT-176: a policy is kept, and changed only by who has seen the last one. */
  @Test
  public void policies() {
    String queue = makeQueue(Queue.newBuilder());
    Policy empty = client.getIamPolicy(GetIamPolicyRequest.newBuilder().setResource(queue).build());
    assertEquals(0, empty.getBindingsCount());
    Binding binding = Binding.newBuilder().setRole("roles/cloudtasks.enqueuer").addMembers("user:a@example.com").build();
    Policy given = empty.toBuilder().addBindings(binding).build();
    Policy set = client.setIamPolicy(SetIamPolicyRequest.newBuilder().setResource(queue).setPolicy(given).build());
    assertEquals(List.of(binding), set.getBindingsList());
    assertNotEquals(empty.getEtag(), set.getEtag());
    assertEquals(set, client.getIamPolicy(queueNamed("q")));
    Policy stale = set.toBuilder().setEtag(ByteString.copyFromUtf8("stale")).build();
    refused(Code.ABORTED, "", () -> client.setIamPolicy(queueNamed("q"), stale));
    List<String> asked = List.of("cloudtasks.tasks.create", "cloudtasks.queues.get");
    TestIamPermissionsRequest request =
        TestIamPermissionsRequest.newBuilder().setResource(queue).addAllPermissions(asked).build();
    assertEquals(asked, client.testIamPermissions(request).getPermissionsList());
  }

  /** CT-245 CT-191 */
  @Test
  public void locations() {
    ListLocationsRequest all = ListLocationsRequest.newBuilder().setName("projects/" + parent.getProject()).build();
    Location first = client.listLocations(all).iterateAll().iterator().next();
    assertEquals(first, client.getLocation(GetLocationRequest.newBuilder().setName(parent.toString()).build()));
    assertEquals("us-central1", first.getLocationId());
  }
}
