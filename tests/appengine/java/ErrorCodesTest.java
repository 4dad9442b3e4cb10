import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import com.google.appengine.api.taskqueue.QueueFactory;
import com.google.apphosting.api.ApiProxy;
import com.sun.net.httpserver.HttpServer;
import deferd.appengine.DeferdApiProxy;
import java.io.ByteArrayOutputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;

/**
 * What each error code is in Java. Most of them deferd answers in other tests; here a scripted server answers them all, so that
 * the table which our codes were chosen by is known to be the SDK's.
 */
public class ErrorCodesTest {
  private HttpServer server;
  private byte[] answer;

  @Before
  public void start() throws Exception {
    server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
    server.createContext("/rpc_http", exchange -> {
      exchange.getRequestBody().readAllBytes();
      exchange.sendResponseHeaders(200, answer.length);
      exchange.getResponseBody().write(answer);
      exchange.close();
    });
    server.start();
    ApiProxy.setDelegate(new DeferdApiProxy("127.0.0.1", server.getAddress().getPort()));
    DeferdApiProxy.enter(null, null);
  }

  @After
  public void stop() {
    DeferdApiProxy.leave();
    server.stop(0);
  }

  /** A remote_api.Response with an error: field 3 is the application's, field 5 the platform's. */
  private static byte[] error(int field, int code, String detail) {
    ByteArrayOutputStream inner = new ByteArrayOutputStream();
    inner.write(1 << 3);
    for (; code > 0x7f; code >>>= 7) {
      inner.write(code & 0x7f | 0x80);
    }
    inner.write(code);
    inner.write(2 << 3 | 2);
    inner.write(detail.length());
    inner.writeBytes(detail.getBytes(StandardCharsets.UTF_8));
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(field << 3 | 2);
    out.write(inner.size());
    out.writeBytes(inner.toByteArray());
    return out.toByteArray();
  }

  private RuntimeException refusedWith(int field, int code) {
    answer = error(field, code, "the detail");
    return assertThrows(RuntimeException.class, () -> QueueFactory.getDefaultQueue().purge());
  }

  /** GAE-032: each code as the exception of the SDK, with the detail in its text. */
  @Test
  public void applicationErrors() {
    Map<Integer, String> classes = new HashMap<>();
    for (int code = 4; code <= 29; code++) {
      classes.put(code, "IllegalArgumentException");
    }
    for (int code : new int[] {1, 15, 25, 26}) {
      classes.put(code, "IllegalStateException");
    }
    for (int code : new int[] {19, 20, 22, 23, 24, 27, 28, 29}) {
      classes.put(code, "QueueFailureException");
    }
    classes.put(2, "TransientFailureException");
    classes.put(3, "InternalFailureException");
    classes.put(9, "SecurityException");
    classes.put(10, "TaskAlreadyExistsException");
    classes.put(11, "TaskAlreadyExistsException");
    classes.put(14, "TaskNotFoundException");
    classes.put(21, "InvalidQueueModeException");
    classes.remove(17); // a result, never an error
    classes.forEach((code, name) -> {
      RuntimeException error = refusedWith(3, code);
      assertEquals("code " + code, name, error.getClass().getSimpleName());
      assertTrue(error.getMessage(), error.getMessage().contains("the detail"));
    });
    assertEquals("TransactionalTaskException", refusedWith(3, 10001).getClass().getSimpleName());
  }

  /** GAE-032: and those of the platform, which the delegate makes. */
  @Test
  public void platformErrors() {
    Map<Integer, String> classes = Map.of(0, "UnknownException", 1, "CallNotFoundException", 2, "ArgumentException", 3,
        "UnknownException", 4, "OverQuotaException", 5, "RequestTooLargeException", 6, "CapabilityDisabledException", 10,
        "CancelledException", 12, "ApiDeadlineExceededException");
    classes.forEach((code, name) -> assertEquals("code " + code, name, refusedWith(5, code).getClass().getSimpleName()));
  }
}
