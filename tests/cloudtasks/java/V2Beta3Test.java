import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import com.google.api.gax.rpc.StatusCode.Code;
import com.google.cloud.location.GetLocationRequest;
import com.google.cloud.location.ListLocationsRequest;
import com.google.cloud.tasks.v2beta3.CloudTasksClient;
import com.google.cloud.tasks.v2beta3.CloudTasksSettings;
import com.google.cloud.tasks.v2beta3.GetQueueRequest;
import com.google.cloud.tasks.v2beta3.GetTaskRequest;
import com.google.cloud.tasks.v2beta3.HttpRequest;
import com.google.cloud.tasks.v2beta3.ListQueuesRequest;
import com.google.cloud.tasks.v2beta3.LocationName;
import com.google.cloud.tasks.v2beta3.Queue;
import com.google.cloud.tasks.v2beta3.QueueName;
import com.google.cloud.tasks.v2beta3.RateLimits;
import com.google.cloud.tasks.v2beta3.Task;
import com.google.cloud.tasks.v2beta3.UriOverride;
import com.google.iam.v1.Binding;
import com.google.iam.v1.Policy;
import com.google.protobuf.ByteString;
import java.util.List;
import org.junit.After;
import org.junit.Before;
import org.junit.ClassRule;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TestName;
import org.junit.runner.RunWith;
import org.junit.runners.Parameterized;

/** Google's Java client of v2beta3, unmodified, against a real deferd. */
@RunWith(Parameterized.class)
public class V2Beta3Test {
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
    String project = "beta3-" + name.getMethodName().replaceAll("[^A-Za-z0-9]+", "-");
    parent = LocationName.of(project, "us-central1");
    queue = QueueName.of(project, "us-central1", "q");
  }

  @After
  public void disconnect() {
    client.close();
  }

  private Task later() {
    return Task.newBuilder()
        .setHttpRequest(HttpRequest.newBuilder().setUrl(deferd.url("/" + parent.getProject())).setBody(ByteString.copyFromUtf8("hello")))
        .setScheduleTime(Harness.inAnHour())
        .build();
  }

  /** CT-245 CT-016 CT-204: what v2beta3 adds to a queue. */
  @Test
  public void whatAQueueHasMore() {
    Queue given =
        Queue.newBuilder()
            .setName(queue.toString())
            .setRateLimits(RateLimits.newBuilder().setMaxDispatchesPerSecond(5).setMaxBurstSize(7))
            .setTaskTtl(Harness.seconds(10 * 86400))
            .setTombstoneTtl(Harness.seconds(7200))
            .build();
    Queue made = client.createQueue(parent, given);
    assertEquals(7, made.getRateLimits().getMaxBurstSize());
    assertEquals(given.getTaskTtl(), made.getTaskTtl());
    assertEquals(given.getTombstoneTtl(), made.getTombstoneTtl());
    assertEquals(Queue.Type.PUSH, made.getType());
    assertFalse(made.hasStats());
    Queue.Builder targeted = Queue.newBuilder().setName(queue.toString());
    targeted
        .getHttpTargetBuilder()
        .getUriOverrideBuilder()
        .setHost("localhost")
        .setPort(8080)
        .setUriOverrideEnforceMode(UriOverride.UriOverrideEnforceMode.ALWAYS);
    Queue updated = client.updateQueue(targeted.build(), Harness.mask("http_target"));
    assertEquals(targeted.getHttpTarget(), updated.getHttpTarget());
    assertEquals(updated, client.getQueue(queue));
    Queue long11Years = given.toBuilder().setTaskTtl(Harness.seconds(11L * 365 * 86400)).build();
    Harness.refused(transport, Code.INVALID_ARGUMENT, "", () -> client.updateQueue(long11Years, Harness.mask("task_ttl")));
  }

  /** CT-245 CT-202 CT-203: counts, for those who ask. */
  @Test
  public void statistics() {
    client.createQueue(parent, Queue.newBuilder().setName(queue.toString()).build());
    client.createTask(queue, later());
    GetQueueRequest one =
        GetQueueRequest.newBuilder().setName(queue.toString()).setReadMask(Harness.mask("stats", "state")).build();
    Queue counted = client.getQueue(one);
    assertEquals(1, counted.getStats().getTasksCount());
    assertTrue(counted.getStats().hasOldestEstimatedArrivalTime());
    assertEquals(Queue.State.RUNNING, counted.getState());
    assertFalse(counted.hasRateLimits());
    ListQueuesRequest all =
        ListQueuesRequest.newBuilder().setParent(parent.toString()).setReadMask(Harness.mask("name", "stats.tasks_count")).build();
    Queue listed = client.listQueues(all).iterateAll().iterator().next();
    assertEquals(1, listed.getStats().getTasksCount());
  }

  /** CT-245: every call that v2 has too. */
  @Test
  public void whatV2HasToo() {
    client.createQueue(parent, Queue.newBuilder().setName(queue.toString()).build());
    Task made = client.createTask(queue, later());
    Task full = client.getTask(GetTaskRequest.newBuilder().setName(made.getName()).setResponseView(Task.View.FULL).build());
    assertEquals("hello", full.getHttpRequest().getBody().toStringUtf8());
    assertEquals(List.of(made), List.copyOf(client.listTasks(queue).getPage().getResponse().getTasksList()));
    assertEquals(1, client.runTask(made.getName()).getDispatchCount());
    deferd.arrived("/" + parent.getProject(), 1);
    client.deleteTask(client.createTask(queue, later()).getName());

    assertEquals(Queue.State.PAUSED, client.pauseQueue(queue).getState());
    assertTrue(client.purgeQueue(queue).hasPurgeTime());
    assertEquals(Queue.State.RUNNING, client.resumeQueue(queue).getState());
    Binding binding = Binding.newBuilder().setRole("roles/cloudtasks.viewer").addMembers("user:a@example.com").build();
    Policy set = client.setIamPolicy(queue, Policy.newBuilder().addBindings(binding).build());
    assertEquals(set, client.getIamPolicy(queue));
    List<String> asked = List.of("cloudtasks.queues.get");
    assertEquals(asked, client.testIamPermissions(queue, asked).getPermissionsList());
    ListLocationsRequest all = ListLocationsRequest.newBuilder().setName("projects/" + parent.getProject()).build();
    assertEquals(
        client.getLocation(GetLocationRequest.newBuilder().setName(parent.toString()).build()),
        client.listLocations(all).iterateAll().iterator().next());
    client.deleteQueue(queue);
    Harness.refused(transport, Code.NOT_FOUND, Harness.NO_QUEUE, () -> client.getQueue(queue));
  }
}
