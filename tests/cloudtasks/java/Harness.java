import com.google.api.gax.core.NoCredentialsProvider;
import com.google.api.gax.grpc.InstantiatingGrpcChannelProvider;
import com.google.api.gax.rpc.ApiException;
import com.google.api.gax.rpc.ClientSettings;
import com.google.api.gax.rpc.ErrorDetails;
import com.google.api.gax.rpc.StatusCode.Code;
import com.google.protobuf.Duration;
import com.google.protobuf.FieldMask;
import com.google.protobuf.Timestamp;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.File;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.Assert;
import org.junit.function.ThrowingRunnable;
import org.junit.rules.ExternalResource;

/**
 * A deferd on a free port, and the target of what it dispatches. A path of the target that ends in a number is answered with it as
 * the status, others with 200.
 *
 * <p>Environment: DEFERD_BINARY, the server to test; else build/bin/deferd of the checkout, which is the working directory.
 */
final class Harness extends ExternalResource {
  enum Transport { GRPC, HTTP_JSON }

  /** What the service says of a queue that is not there. */
  static final String NO_QUEUE =
      "Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize.";

  /** A request of a task. */
  static final class Arrival {
    final String method;
    final Map<String, List<String>> headers;
    final String body;

    Arrival(HttpExchange exchange) throws IOException {
      method = exchange.getRequestMethod();
      headers = Map.copyOf(exchange.getRequestHeaders());
      body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
    }

    /** The value of a header that came once. Names are spelled as Java's server spells them: X-colour. */
    String header(String name) {
      List<String> values = headers.getOrDefault(name, List.of());
      return values.size() == 1 ? values.get(0) : values.toString();
    }
  }

  private final Map<String, List<Arrival>> arrivals = new ConcurrentHashMap<>();
  private HttpServer target;
  private Path folder;
  private Process deferd;
  private int port;

  @Override
  protected void before() throws IOException {
    target = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
    target.createContext("/", this::handle);
    target.start();

    port = freePort();
    folder = Files.createTempDirectory("deferd-java-");
    String binary = System.getenv().getOrDefault("DEFERD_BINARY", "build/bin/deferd");
    ProcessBuilder builder =
        new ProcessBuilder(binary, "--data", folder.resolve("data").toString(), "--listen", address(),
            "--location", "us-central1", "--app-url", url(""));
    builder.environment().keySet().removeIf(name -> name.startsWith("DEFERD_"));
    File log = folder.resolve("deferd.log").toFile();
    deferd = builder.redirectErrorStream(true).redirectOutput(log).start();
    waitFor("deferd to be ready", () -> !deferd.isAlive() || ready());
    if (!deferd.isAlive()) {
      throw new AssertionError("deferd ended: " + Files.readString(log.toPath()));
    }
  }

  @Override
  protected void after() {
    target.stop(0);
    deferd.destroyForcibly();
    try (Stream<Path> files = Files.walk(folder)) {
      deferd.waitFor();
      files.sorted(Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
    } catch (IOException | InterruptedException error) {
      throw new IllegalStateException(error);
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket probe = new ServerSocket(0)) {
      return probe.getLocalPort();
    }
  }

  private boolean ready() {
    try {
      HttpRequest request = HttpRequest.newBuilder(URI.create("http://" + address() + "/readyz")).build();
      return HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.discarding()).statusCode() == 200;
    } catch (IOException error) {
      return false;
    } catch (InterruptedException error) {
      throw new IllegalStateException(error);
    }
  }

  private void handle(HttpExchange exchange) throws IOException {
    String path = exchange.getRequestURI().getPath();
    Arrival arrival = new Arrival(exchange);
    String last = path.substring(path.lastIndexOf('/') + 1);
    exchange.sendResponseHeaders(last.matches("[0-9]{3}") ? Integer.parseInt(last) : 200, -1);
    exchange.close();
    arrivals.computeIfAbsent(path, there -> new CopyOnWriteArrayList<>()).add(arrival);
  }

  /** Where deferd listens: host:port. */
  String address() {
    return "127.0.0.1:" + port;
  }

  /** The settings that an application has for a server of its own; all else is the client's. */
  <B extends ClientSettings.Builder<?, B>> B pointed(B builder, Transport transport) throws IOException {
    builder.setCredentialsProvider(NoCredentialsProvider.create());
    if (transport == Transport.HTTP_JSON) {
      return builder.setEndpoint("http://" + address());
    }
    return builder.setTransportChannelProvider(
        InstantiatingGrpcChannelProvider.newBuilder()
            .setEndpoint(address())
            .setChannelConfigurator(channel -> channel.usePlaintext())
            .build());
  }

  /** A URL of the target. */
  String url(String path) {
    return "http://127.0.0.1:" + target.getAddress().getPort() + path;
  }

  /** Waits until `count` requests have come to the path. */
  List<Arrival> arrived(String path, int count) {
    waitFor(count + " requests for " + path, () -> arrivals.getOrDefault(path, List.of()).size() >= count);
    return arrivals.get(path);
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

  /**
   * Demands that the call fails with this code and text, and returns the details that came with it. Of codes that share an HTTP
   * status, HTTP/JSON keeps one.
   */
  static ErrorDetails refused(Transport transport, Code code, String text, ThrowingRunnable call) {
    ApiException failure = Assert.assertThrows(ApiException.class, call);
    Code expected = code;
    if (transport == Transport.HTTP_JSON && code == Code.FAILED_PRECONDITION) {
      expected = Code.INVALID_ARGUMENT;
    } else if (transport == Transport.HTTP_JSON && code == Code.ALREADY_EXISTS) {
      expected = Code.ABORTED;
    }
    Assert.assertEquals(failure.getMessage(), expected, failure.getStatusCode().getCode());
    Assert.assertTrue(failure.getMessage(), failure.getMessage().contains(text));
    return failure.getErrorDetails();
  }

  static Duration seconds(long seconds) {
    return Duration.newBuilder().setSeconds(seconds).build();
  }

  static Timestamp inAnHour() {
    return Timestamp.newBuilder().setSeconds(Instant.now().getEpochSecond() + 3600).build();
  }

  static FieldMask mask(String... paths) {
    return FieldMask.newBuilder().addAllPaths(List.of(paths)).build();
  }

  /** The part of a name after its last slash. */
  static String lastOf(String name) {
    return name.substring(name.lastIndexOf('/') + 1);
  }
}
