package deferd.appengine;

import com.google.apphosting.api.ApiProxy;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;

/**
 * Connects App Engine's Java SDK to deferd, in programs that do not run in App Engine's own runtime. Copy it into yours.
 *
 * <pre>
 *   DeferdApiProxy.install();                                  // once: reads API_HOST, API_PORT, GAE_APPLICATION
 *   DeferdApiProxy.enter(null, null);                          // once in each thread that calls the SDK
 *   QueueFactory.getDefaultQueue().add(TaskOptions.Builder.withUrl("/background"));
 * </pre>
 *
 * <p>In a handler of tasks, give enter() the ticket and the namespace of the request, so that what the handler adds is added with
 * the rights of the task that it handles:
 *
 * <pre>
 *   DeferdApiProxy.enter(request.getHeader("X-AppEngine-API-Ticket"), request.getHeader("X-AppEngine-Current-Namespace"));
 *   try { ... } finally { DeferdApiProxy.leave(); }
 * </pre>
 *
 * <p>Thread safe. Needs Java 11 and nothing but appengine-api-1.0-sdk.
 */
public final class DeferdApiProxy implements ApiProxy.Delegate<ApiProxy.Environment> {
  private static final double DEADLINE_SECONDS = 60;

  private final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final URI address;

  public DeferdApiProxy(String host, int port) {
    address = URI.create("http://" + (host.contains(":") ? "[" + host + "]" : host) + ":" + port + "/rpc_http");
  }

  /** Installs a proxy for the server that the environment names. */
  public static void install() {
    ApiProxy.setDelegate(new DeferdApiProxy(variable("API_HOST", "127.0.0.1"), Integer.parseInt(variable("API_PORT", "8123"))));
  }

  /** Lets this thread call the SDK. Both may be null: then the ticket is API_TICKET's, and the namespace the empty one. */
  public static void enter(String ticket, String namespace) {
    ApiProxy.setEnvironmentForCurrentThread(
        new Environment(ticket == null ? variable("API_TICKET", "") : ticket, namespace == null ? "" : namespace));
  }

  public static void leave() {
    ApiProxy.clearEnvironmentForCurrentThread();
  }

  private static String variable(String name, String otherwise) {
    String value = System.getenv(name);
    return value == null || value.isEmpty() ? otherwise : value;
  }

  // ---- Delegate

  @Override
  public byte[] makeSyncCall(ApiProxy.Environment environment, String service, String method, byte[] request) {
    try {
      return makeAsyncCall(environment, service, method, request, new ApiProxy.ApiConfig()).get();
    } catch (ExecutionException error) {
      if (error.getCause() instanceof ApiProxy.ApiProxyException) {
        throw ((ApiProxy.ApiProxyException) error.getCause());
      }
      throw new ApiProxy.UnknownException(service, method, error.getCause());
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
      throw new ApiProxy.CancelledException(service, method);
    }
  }

  @Override
  public Future<byte[]> makeAsyncCall(
      ApiProxy.Environment environment, String service, String method, byte[] request, ApiProxy.ApiConfig config) {
    double seconds = config.getDeadlineInSeconds() == null ? DEADLINE_SECONDS : config.getDeadlineInSeconds();
    HttpRequest call =
        HttpRequest.newBuilder(address)
            .header("Content-Type", "application/octet-stream")
            .header("X-Google-RPC-Service-Deadline", Double.toString(seconds))
            .timeout(Duration.ofMillis((long) ((seconds + 2) * 1000)))
            .POST(HttpRequest.BodyPublishers.ofByteArray(envelope(service, method, request, ((Environment) environment).ticket)))
            .build();
    return http.sendAsync(call, HttpResponse.BodyHandlers.ofByteArray())
        .handle(
            (answer, error) -> {
              if (error != null) {
                Throwable cause = error instanceof CompletionException ? error.getCause() : error;
                throw cause instanceof HttpTimeoutException
                    ? new ApiProxy.ApiDeadlineExceededException(service, method)
                    : new ApiProxy.UnknownException(service, method, cause);
              }
              if (answer.statusCode() != 200) {
                throw new ApiProxy.UnknownException("deferd answered HTTP " + answer.statusCode());
              }
              return open(service, method, answer.body());
            });
  }

  @Override
  public void log(ApiProxy.Environment environment, ApiProxy.LogRecord record) {
    System.err.println(record.getMessage());
  }

  @Override
  public void flushLogs(ApiProxy.Environment environment) {}

  @Override
  public List<Thread> getRequestThreads(ApiProxy.Environment environment) {
    return List.of();
  }

  // ---- The envelope: remote_api.Request and remote_api.Response, few enough fields to write by hand

  private static byte[] envelope(String service, String method, byte[] request, String ticket) {
    ByteArrayOutputStream out = new ByteArrayOutputStream(request.length + 64);
    field(out, 2, service.getBytes(StandardCharsets.UTF_8));
    field(out, 3, method.getBytes(StandardCharsets.UTF_8));
    field(out, 4, request);
    field(out, 5, ticket.getBytes(StandardCharsets.UTF_8));
    return out.toByteArray();
  }

  private static void field(ByteArrayOutputStream out, int number, byte[] value) {
    out.write(number << 3 | 2);
    int length = value.length;
    for (; length > 0x7f; length >>>= 7) {
      out.write(length & 0x7f | 0x80);
    }
    out.write(length);
    out.writeBytes(value);
  }

  /** What the answer holds: the response, or the error as the exception that App Engine's runtime made of it. */
  private static byte[] open(String service, String method, byte[] answer) {
    byte[] response = new byte[0];
    for (ByteBuffer in = ByteBuffer.wrap(answer); in.hasRemaining(); ) {
      int number = (int) varint(in) >>> 3;
      byte[] value = new byte[(int) varint(in)];
      in.get(value);
      switch (number) {
        case 1:
          response = value;
          break;
        case 3:
          Failure refused = new Failure(value);
          throw new ApiProxy.ApplicationException(refused.code, refused.detail);
        case 5:
          throw rpcError(service, method, new Failure(value));
        default: // of /remote_api alone
      }
    }
    return response;
  }

  private static ApiProxy.ApiProxyException rpcError(String service, String method, Failure failure) {
    switch (failure.code) {
      case 1:
        return new ApiProxy.CallNotFoundException(service, method);
      case 2:
      case 8:
        return new ApiProxy.ArgumentException(service, method);
      case 4:
        return new ApiProxy.OverQuotaException(service, method);
      case 5:
        return new ApiProxy.RequestTooLargeException(service, method);
      case 6:
        return new ApiProxy.CapabilityDisabledException(failure.detail, service, method);
      case 7:
        return new ApiProxy.FeatureNotEnabledException("%s.%s() is not enabled", service, method);
      case 9:
        return new ApiProxy.ResponseTooLargeException(service, method);
      case 10:
        return new ApiProxy.CancelledException(service, method);
      case 12:
        return new ApiProxy.ApiDeadlineExceededException(service, method);
      default:
        return new ApiProxy.UnknownException(service + "." + method + "(): " + failure.detail);
    }
  }

  private static long varint(ByteBuffer in) {
    long value = 0;
    for (int shift = 0; ; shift += 7) {
      byte next = in.get();
      value |= (next & 0x7fL) << shift;
      if (next >= 0) {
        return value;
      }
    }
  }

  /** ApplicationError and RpcError alike: a code and a text. */
  private static final class Failure {
    int code;
    String detail = "";

    Failure(byte[] message) {
      for (ByteBuffer in = ByteBuffer.wrap(message); in.hasRemaining(); ) {
        if (varint(in) >>> 3 == 1) {
          code = (int) varint(in);
        } else {
          byte[] text = new byte[(int) varint(in)];
          in.get(text);
          detail = new String(text, StandardCharsets.UTF_8);
        }
      }
    }
  }

  // ---- What the SDK asks of a thread

  private static final class Environment implements ApiProxy.Environment {
    final String ticket;
    private final Map<String, Object> attributes = new HashMap<>();

    Environment(String ticket, String namespace) {
      this.ticket = ticket;
      attributes.put("com.google.appengine.runtime.default_version_hostname", variable("DEFAULT_VERSION_HOSTNAME", "localhost"));
      attributes.put("com.google.appengine.api.NamespaceManager.currentNamespace", namespace);
    }

    @Override
    public String getAppId() {
      return variable("GAE_APPLICATION", "s~default");
    }

    @Override
    public String getModuleId() {
      return variable("GAE_SERVICE", "default");
    }

    @Override
    public String getVersionId() {
      return variable("GAE_VERSION", "1") + ".1";
    }

    @Override
    public String getEmail() {
      return null;
    }

    @Override
    public boolean isLoggedIn() {
      return false;
    }

    @Override
    public boolean isAdmin() {
      return false;
    }

    @Override
    public String getAuthDomain() {
      return "gmail.com";
    }

    @Override
    @Deprecated
    public String getRequestNamespace() {
      return "";
    }

    @Override
    public Map<String, Object> getAttributes() {
      return attributes;
    }

    @Override
    public long getRemainingMillis() {
      return Long.MAX_VALUE;
    }
  }
}
