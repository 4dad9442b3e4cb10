import static com.google.appengine.api.taskqueue.RetryOptions.Builder.withTaskRetryLimit;
import static com.google.appengine.api.taskqueue.TaskOptions.Builder.withMethod;
import static com.google.appengine.api.taskqueue.TaskOptions.Builder.withPayload;
import static com.google.appengine.api.taskqueue.TaskOptions.Builder.withTaskName;
import static com.google.appengine.api.taskqueue.TaskOptions.Builder.withUrl;
import static java.util.stream.Collectors.toList;
import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import com.google.appengine.api.NamespaceManager;
import com.google.appengine.api.taskqueue.DeferredTask;
import com.google.appengine.api.taskqueue.DeferredTaskContext;
import com.google.appengine.api.taskqueue.InvalidQueueModeException;
import com.google.appengine.api.taskqueue.LeaseOptions;
import com.google.appengine.api.taskqueue.Queue;
import com.google.appengine.api.taskqueue.QueueFactory;
import com.google.appengine.api.taskqueue.QueueStatistics;
import com.google.appengine.api.taskqueue.TaskAlreadyExistsException;
import com.google.appengine.api.taskqueue.TaskHandle;
import com.google.appengine.api.taskqueue.TaskOptions;
import com.google.appengine.tools.remoteapi.RemoteApiInstaller;
import com.google.appengine.tools.remoteapi.RemoteApiOptions;
import com.google.apphosting.api.ApiProxy;
import deferd.appengine.DeferdApiProxy;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.AfterClass;
import org.junit.BeforeClass;
import org.junit.Test;

/** App Engine's Java SDK, unmodified, against a real deferd through examples/appengine-java/DeferdApiProxy.java. */
public class TaskQueueTest {
  private static final String FAST = "{\"retry\": {\"min_backoff\": \"0.01s\", \"max_backoff\": \"0.05s\"}}";
  private static final String PULL = "{\"mode\": \"pull\"}";

  private static Harness harness;

  @BeforeClass
  public static void start() throws Exception {
    harness = new Harness();
  }

  @AfterClass
  public static void stop() throws Exception {
    if (harness != null) {
      harness.close();
    }
  }

  private static TaskOptions pullTask(String payload) {
    return withMethod(TaskOptions.Method.PULL).payload(payload);
  }

  private static List<String> payloads(List<TaskHandle> tasks) {
    return tasks.stream().map(task -> new String(task.getPayload(), StandardCharsets.UTF_8)).collect(toList());
  }

  private static void waitUntilEmpty(Queue queue) {
    Harness.waitFor("the queue to be empty", () -> queue.fetchStatistics().getNumTasks() == 0);
  }

  // ---- Push

  /** GAE-031 GAE-135: one task, one request. */
  @Test
  public void aTaskIsPushed() throws Exception {
    Queue queue = harness.makeQueue("java-add", FAST);
    TaskHandle task = queue.add(withUrl("/work/add").param("a", "1"));
    assertTrue(task.getName(), task.getName().matches("[0-9]{17,20}"));
    assertEquals("java-add", task.getQueueName());
    Harness.Push push = harness.arrived("/work/add", 1).get(0);
    assertEquals("POST", push.method);
    assertEquals("a=1", new String(push.body, StandardCharsets.UTF_8));
    assertTrue(push.headers.get("content-type").startsWith("application/x-www-form-urlencoded"));
    assertEquals(task.getName(), push.headers.get("x-appengine-taskname"));
    assertEquals("0", push.headers.get("x-appengine-taskretrycount"));
    waitUntilEmpty(queue);
  }

  /** GAE-031: a list, asynchronously, with payloads of all bytes. */
  @Test
  public void aListIsPushed() throws Exception {
    Queue queue = harness.makeQueue("java-list", FAST);
    byte[] everything = new byte[256];
    for (int i = 0; i < everything.length; i++) {
      everything[i] = (byte) i;
    }
    List<TaskOptions> tasks = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      tasks.add(withUrl("/work/list").payload(everything, "application/x-bytes").method(TaskOptions.Method.PUT));
    }
    Future<List<TaskHandle>> added = queue.addAsync(tasks);
    assertEquals(20, added.get().stream().map(TaskHandle::getName).distinct().count());
    for (Harness.Push push : harness.arrived("/work/list", 20)) {
      assertArrayEquals(everything, push.body);
      assertEquals("application/x-bytes", push.headers.get("content-type"));
    }
  }

  /** GAE-141: the namespace of the adding thread. */
  @Test
  public void namespacesTravel() throws Exception {
    Queue queue = harness.makeQueue("java-namespace", FAST);
    NamespaceManager.set("tenant-a");
    try {
      queue.add(withUrl("/work/namespace"));
    } finally {
      NamespaceManager.set("");
    }
    assertEquals("tenant-a", harness.arrived("/work/namespace", 1).get(0).headers.get("x-appengine-current-namespace"));
  }

  // ---- Deferred tasks

  private static final ConcurrentMap<String, AtomicInteger> runs = new ConcurrentHashMap<>();

  private static int ran(String key) {
    return runs.computeIfAbsent(key, none -> new AtomicInteger()).get();
  }

  /** Serialized into the task, run by App Engine's DeferredTaskServlet in the application. */
  private static final class Job implements DeferredTask {
    private final String key;
    private final int succeedsAt;
    private final boolean givesUp;

    Job(String key, int succeedsAt, boolean givesUp) {
      this.key = key;
      this.succeedsAt = succeedsAt;
      this.givesUp = givesUp;
    }

    @Override
    public void run() {
      if (runs.computeIfAbsent(key, none -> new AtomicInteger()).incrementAndGet() < succeedsAt) {
        DeferredTaskContext.setDoNotRetry(givesUp);
        throw new IllegalStateException("on purpose");
      }
      QueueFactory.getQueue("java-deferred").add(withUrl("/work/after-" + key)); // by the ticket of the push
    }
  }

  /** GAE-204 GAE-148: it runs with its fields, is tried again after an exception, and adds a task itself. */
  @Test
  public void aDeferredTaskRunsUntilItSucceeds() throws Exception {
    Queue queue = harness.makeQueue("java-deferred", FAST);
    queue.add(withPayload(new Job("retried", 3, false)));
    harness.arrived("/work/after-retried", 1);
    waitUntilEmpty(queue);
    assertEquals(3, ran("retried"));
  }

  /** GAE-204: setDoNotRetry is answered 203, which ends the task. */
  @Test
  public void aDeferredTaskGivesUp() throws Exception {
    Queue queue = harness.makeQueue("java-gives-up", FAST);
    queue.add(withPayload(new Job("given-up", 3, true)));
    waitUntilEmpty(queue);
    assertEquals(1, ran("given-up"));
  }

  /** GAE-204: another content type is answered 415, which fails the attempt. */
  @Test
  public void aDeferredTaskNeedsItsContentType() throws Exception {
    Queue queue = harness.makeQueue("java-content-type", FAST);
    queue.add(withUrl("/_ah/queue/__deferred__").payload("no task").retryOptions(withTaskRetryLimit(1)));
    waitUntilEmpty(queue);
    assertEquals(2, queue.fetchStatistics().getExecutedLastMinute());
  }

  // ---- Pull

  /** GAE-031 GAE-121 GAE-126: lease, count, extend twice, give back. */
  @Test
  public void leases() throws Exception {
    Queue queue = harness.makeQueue("java-lease", PULL);
    queue.add(pullTask("x").tag("t"));
    long before = System.currentTimeMillis();
    List<TaskHandle> leased = queue.leaseTasks(30, TimeUnit.SECONDS, 10);
    assertEquals(List.of("x"), payloads(leased));
    TaskHandle task = leased.get(0);
    assertEquals("t", task.getTag());
    assertEquals(Integer.valueOf(1), task.getRetryCount());
    assertTrue(task.getEtaMillis() >= before + 29_000 && task.getEtaMillis() <= System.currentTimeMillis() + 31_000);
    assertEquals(List.of(), queue.leaseTasks(30, TimeUnit.SECONDS, 10));
    task = queue.modifyTaskLease(task, 60, TimeUnit.SECONDS);
    task = queue.modifyTaskLease(task, 0, TimeUnit.SECONDS);
    assertEquals(Integer.valueOf(2), queue.leaseTasks(30, TimeUnit.SECONDS, 10).get(0).getRetryCount());
    TaskHandle late = task;
    IllegalStateException lost = assertThrows(IllegalStateException.class, () -> queue.modifyTaskLease(late, 60, TimeUnit.SECONDS));
    assertTrue(lost.getMessage(), lost.getMessage().startsWith("The task lease has expired"));
  }

  /** GAE-031 GAE-119 GAE-120: by a tag, by the oldest task's tag, and the untagged. */
  @Test
  public void leasesByTag() throws Exception {
    Queue queue = harness.makeQueue("java-tags", PULL);
    for (String payload : List.of("a1", "b1", "a2")) {
      queue.add(pullTask(payload).tag(payload.substring(0, 1)));
    }
    queue.add(pullTask("none"));
    assertEquals(List.of("b1"), payloads(queue.leaseTasksByTag(60, TimeUnit.SECONDS, 10, "b")));
    LeaseOptions oldest = LeaseOptions.Builder.withLeasePeriod(60, TimeUnit.SECONDS).countLimit(10).groupByTag();
    assertEquals(List.of("a1", "a2"), payloads(queue.leaseTasks(oldest)));
    List<TaskHandle> untagged = queue.leaseTasks(oldest);
    assertEquals(List.of("none"), payloads(untagged));
    assertNull(untagged.get(0).getTag());
  }

  /** GAE-031 GAE-080 GAE-088: live, gone and unknown; then all at once. */
  @Test
  public void deletesAndPurges() throws Exception {
    Queue queue = harness.makeQueue("java-delete", PULL);
    List<TaskHandle> tasks = queue.add(List.of(pullTask("1"), pullTask("2"), pullTask("3")));
    assertTrue(queue.deleteTask(tasks.get(0)));
    assertEquals(List.of(false, true), queue.deleteTask(tasks.subList(0, 2)));
    assertFalse(queue.deleteTask("never-there"));
    assertEquals(1, queue.fetchStatistics().getNumTasks());
    queue.purge();
    assertEquals(0, queue.fetchStatistics().getNumTasks());
  }

  /** GAE-031 GAE-095 GAE-098: true numbers. */
  @Test
  public void statistics() throws Exception {
    Queue queue = harness.makeQueue("java-statistics", PULL);
    QueueStatistics empty = queue.fetchStatistics();
    assertEquals(0, empty.getNumTasks());
    assertNull(empty.getOldestEtaUsec());
    queue.add(List.of(pullTask("1"), pullTask("2").countdownMillis(3_600_000)));
    queue.leaseTasks(60, TimeUnit.SECONDS, 10);
    QueueStatistics busy = queue.fetchStatisticsAsync(5.0).get();
    assertEquals("java-statistics", busy.getQueueName());
    assertEquals(2, busy.getNumTasks());
    assertEquals(1, busy.getExecutedLastMinute());
    assertEquals(0, busy.getRequestsInFlight());
    assertTrue(busy.getOldestEtaUsec() / 1000 <= System.currentTimeMillis() + 61_000);
  }

  // ---- Errors

  private static void assertRefused(Class<? extends Throwable> type, String text, org.junit.function.ThrowingRunnable call) {
    Throwable error = assertThrows(type, call);
    assertEquals(type, error.getClass());
    assertTrue(error.getMessage(), error.getMessage().contains(text));
  }

  /** An exception that only the SDK's own package can name. */
  private static void assertNotFound(org.junit.function.ThrowingRunnable call) {
    RuntimeException error = assertThrows(RuntimeException.class, call);
    assertEquals("TaskNotFoundException", error.getClass().getSimpleName());
    assertTrue(error.getMessage(), error.getMessage().startsWith("Task does not exist"));
  }

  /** GAE-032: each as App Engine's own exception, with what it names. */
  @Test
  public void errors() throws Exception {
    Queue push = harness.makeQueue("java-push", FAST);
    Queue pull = harness.makeQueue("java-pull", PULL);
    push.add(withTaskName("once").url("/x").countdownMillis(3_600_000));
    assertRefused(TaskAlreadyExistsException.class, "once", () -> push.add(withTaskName("once").url("/x")));
    push.deleteTask("once");
    assertRefused(TaskAlreadyExistsException.class, "once", () -> push.add(withTaskName("once").url("/x")));
    assertRefused(IllegalStateException.class, "The specified queue is unknown : nobody-made-this",
        () -> QueueFactory.getQueue("nobody-made-this").add(withUrl("/x")));
    assertRefused(InvalidQueueModeException.class, "Target queue mode does not support this operation",
        () -> push.leaseTasks(60, TimeUnit.SECONDS, 1));
    assertRefused(InvalidQueueModeException.class, "Target queue mode", () -> pull.add(withUrl("/x")));
    pull.add(pullTask("x"));
    TaskHandle leased = pull.leaseTasks(60, TimeUnit.SECONDS, 1).get(0);
    TaskHandle never = new TaskHandle(withTaskName("never-there").etaMillis(leased.getEtaMillis()), "java-pull");
    assertNotFound(() -> pull.modifyTaskLease(never, 60, TimeUnit.SECONDS));
    assertRefused(IllegalArgumentException.class, "url", () -> push.add(withUrl("http://elsewhere.example.com/")));
  }

  /** GAE-003 GAE-004: what is not there. */
  @Test
  public void otherServices() {
    assertThrows(ApiProxy.CallNotFoundException.class, () -> ApiProxy.makeSyncCall("memcache", "Get", new byte[0]));
    assertThrows(ApiProxy.CallNotFoundException.class, () -> ApiProxy.makeSyncCall("taskqueue", "NoSuchCall", new byte[0]));
    assertThrows(ApiProxy.ArgumentException.class, () -> ApiProxy.makeSyncCall("taskqueue", "PurgeQueue", new byte[0]));
  }

  // ---- Tools

  /** GAE-033: RemoteApiInstaller, which speaks to /remote_api and understands serialized exceptions alone. */
  @Test
  public void remoteApi() throws Exception {
    Queue queue = harness.makeQueue("java-remote", PULL);
    ApiProxy.Delegate<?> ours = ApiProxy.getDelegate();
    DeferdApiProxy.leave();
    RemoteApiInstaller installer = new RemoteApiInstaller();
    installer.install(new RemoteApiOptions().server("localhost", harness.port).useDevelopmentServerCredential());
    try {
      queue.add(withTaskName("remote").method(TaskOptions.Method.PULL).payload("x"));
      assertEquals(List.of("x"), payloads(queue.leaseTasks(60, TimeUnit.SECONDS, 10)));
      assertRefused(TaskAlreadyExistsException.class, "remote",
          () -> queue.add(withTaskName("remote").method(TaskOptions.Method.PULL).payload("x")));
      TaskHandle never = new TaskHandle(withTaskName("never-there").etaMillis(1), "java-remote");
      assertNotFound(() -> queue.modifyTaskLease(never, 60, TimeUnit.SECONDS));
      ApiProxy.ApplicationException unknown = assertThrows(ApiProxy.ApplicationException.class,
          () -> ApiProxy.makeSyncCall("taskqueue", "PurgeQueue", new byte[] {0x12, 1, 'q'}));
      assertEquals(1, unknown.getApplicationError());
    } finally {
      installer.uninstall();
      ApiProxy.setDelegate(ours);
      DeferdApiProxy.enter(null, null);
    }
  }
}
