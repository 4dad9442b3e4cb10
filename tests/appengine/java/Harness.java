import com.google.appengine.api.taskqueue.Queue;
import com.google.appengine.api.taskqueue.QueueFactory;
import com.google.apphosting.api.ApiProxy;
import com.google.apphosting.utils.servlet.DeferredTaskServlet;
import deferd.appengine.DeferdApiProxy;
import java.io.File;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import javax.servlet.http.HttpServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;

/**
 * A deferd on a free port, and the application that it pushes to, in a servlet container: App Engine's own servlet for deferred
 * tasks, and one that notes what comes.
 *
 * <p>Environment: DEFERD_BINARY, the server to test; else build/bin/deferd of the checkout, which is the working directory.
 */
final class Harness {
  /** A task that arrived. */
  static final class Push {
    final Map<String, String> headers = new HashMap<>();
    String method;
    byte[] body;
  }

  final int port;
  private final Map<String, List<Push>> pushes = new ConcurrentHashMap<>();
  private final HttpClient http = HttpClient.newHttpClient();
  private final Server application = new Server(new InetSocketAddress("127.0.0.1", 0));
  private final Path folder = Files.createTempDirectory("deferd-java-");
  private final Process deferd;

  Harness() throws Exception {
    ServletContextHandler servlets = new ServletContextHandler();
    servlets.setContextPath("/");
    servlets.addServlet(new ServletHolder(new Noting()), "/work/*");
    servlets.addServlet(new ServletHolder(new InItsEnvironment()), "/_ah/queue/__deferred__");
    application.setHandler(servlets);
    application.start();
    int applicationPort = ((ServerConnector) application.getConnectors()[0]).getLocalPort();

    port = freePort();
    String binary = System.getenv().getOrDefault("DEFERD_BINARY", "build/bin/deferd");
    ProcessBuilder builder =
        new ProcessBuilder(binary, "--data", folder.resolve("data").toString(), "--listen", "127.0.0.1:" + port,
            "--app-url", "http://127.0.0.1:" + applicationPort);
    builder.environment().keySet().removeIf(name -> name.startsWith("DEFERD_"));
    File log = folder.resolve("deferd.log").toFile();
    deferd = builder.redirectErrorStream(true).redirectOutput(log).start();
    waitFor("deferd to be ready", () -> !deferd.isAlive() || ready());
    if (!deferd.isAlive()) {
      throw new AssertionError("deferd ended: " + Files.readString(log.toPath()));
    }

    ApiProxy.setDelegate(new DeferdApiProxy("127.0.0.1", port));
    DeferdApiProxy.enter(null, null);
  }

  private static int freePort() throws IOException {
    try (ServerSocket probe = new ServerSocket(0)) {
      return probe.getLocalPort();
    }
  }

  private boolean ready() {
    try {
      return call("GET", "/readyz", "") == 200;
    } catch (IOException error) {
      return false;
    }
  }

  private int call(String method, String path, String body) throws IOException {
    try {
      HttpRequest request =
          HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
              .header("Content-Type", "application/json")
              .method(method, HttpRequest.BodyPublishers.ofString(body))
              .build();
      return http.send(request, HttpResponse.BodyHandlers.ofString()).statusCode();
    } catch (InterruptedException error) {
      throw new IllegalStateException(error);
    }
  }

  /** A queue of the test's own, made through /v1: every door sees the same queues. */
  Queue makeQueue(String name, String settings) throws IOException {
    int status = call("PUT", "/v1/queues/" + name, settings);
    if (status / 100 != 2) {
      throw new AssertionError("making queue " + name + ": HTTP " + status);
    }
    return QueueFactory.getQueue(name);
  }

  /** Waits until `count` tasks are at the path. */
  List<Push> arrived(String path, int count) {
    waitFor(count + " tasks at " + path, () -> pushes.getOrDefault(path, List.of()).size() >= count);
    return pushes.get(path);
  }

  static void waitFor(String what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + 15_000_000_000L;
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("waited 15 s for " + what);
      }
      try {
        Thread.sleep(5);
      } catch (InterruptedException error) {
        throw new IllegalStateException(error);
      }
    }
  }

  private void note(HttpServletRequest request) throws IOException {
    Push push = new Push();
    push.method = request.getMethod();
    for (String name : Collections.list(request.getHeaderNames())) {
      push.headers.put(name.toLowerCase(), request.getHeader(name));
    }
    push.body = request.getInputStream().readAllBytes();
    pushes.computeIfAbsent(request.getRequestURI(), path -> Collections.synchronizedList(new ArrayList<>())).add(push);
  }

  private final class Noting extends HttpServlet {
    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
      note(request);
    }
  }

  /** What a servlet filter does in an application: the thread has the ticket of the task that it handles. */
  private final class InItsEnvironment extends DeferredTaskServlet {
    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response) throws javax.servlet.ServletException, IOException {
      DeferdApiProxy.enter(request.getHeader("X-AppEngine-API-Ticket"), request.getHeader("X-AppEngine-Current-Namespace"));
      try {
        super.service(request, response);
      } finally {
        DeferdApiProxy.leave();
      }
    }
  }

  void close() throws Exception {
    deferd.destroyForcibly().waitFor();
    application.stop();
    try (Stream<Path> files = Files.walk(folder)) {
      files.sorted(Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
    }
  }
}
