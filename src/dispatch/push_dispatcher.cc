#include "dispatch/push_dispatcher.h"

#include <openssl/ssl.h>

#include <atomic>
#include <utility>
#include <vector>

#include "dispatch/push_loop.h"

namespace deferd {
namespace {

// Without the system's roots: PushLoop::tls() brings them in.
Result<asio::ssl::context> make_tls_context(const std::string& ca_file) {
  asio::ssl::context context(asio::ssl::context::tls_client);
  ErrorCode error;
  context.set_verify_mode(asio::ssl::verify_peer, error);
  if (error) return fail(Reason::internal, "tls: " + error.message());
  SSL_CTX* native = context.native_handle();
  static constexpr unsigned char http_1_1[] = "\x08http/1.1";
  if (SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_alpn_protos(native, http_1_1, sizeof(http_1_1) - 1) != 0) {
    return fail(Reason::internal, "tls: the library does not take TLS 1.2 or ALPN");
  }
  if (!ca_file.empty()) {
    context.load_verify_file(ca_file, error);
    if (error) {
      return fail(Reason::invalid,
                  "ca_file \"" + ca_file + "\" cannot be read: " + error.message() +
                      ", should be certificates in PEM form",
                  "ca_file");
    }
  }
  return context;
}

class HttpPushDispatcher final : public PushDispatcher {
 public:
  HttpPushDispatcher(PushOptions options, TargetGuard guard, asio::ssl::context tls,
                     std::shared_ptr<const Routes> routes)
      : shared_{std::move(options), std::move(guard), std::move(tls), {}, nullptr, nullptr, {},
                std::move(routes)} {
    shared_.responses = std::make_shared<ResponseBudget>(shared_.options.kept_responses_bytes_max);
    shared_.lookups =
        std::make_unique<LookupThreads>(shared_.options.lookup, shared_.options.dns_threads_max);
    const std::size_t threads = shared_.options.threads;
    for (std::size_t i = 0; i < threads; ++i) {
      loops_.push_back(std::make_unique<PushLoop>(shared_, threads));
    }
  }

  ~HttpPushDispatcher() override {
    for (const auto& loop : loops_) loop->stop();
    shared_.lookups.reset();  // no answer is posted to a loop after this
  }

  void start(Attempt attempt, Callback<void(AttemptResult)> done) override {
    const std::size_t turn =
        loops_.size() == 1 ? 0 : turns_.fetch_add(1, std::memory_order_relaxed) % loops_.size();
    loops_[turn]->start(std::move(attempt), std::move(done));
  }

  void cancel(const QueueName& queue, TaskId task) override {
    for (const auto& loop : loops_) loop->cancel(queue, task);
  }

  void set_routes(std::shared_ptr<const Routes> routes) override {
    const std::lock_guard lock(shared_.routes_mutex);
    shared_.routes.swap(routes);
  }

  std::shared_ptr<const Routes> routes() const override { return shared_.current_routes(); }

  PushStats stats() const override {
    PushStats stats;
    for (const auto& loop : loops_) loop->add_to(stats);
    return stats;
  }

 private:
  PushLoop::Shared shared_;
  std::vector<std::unique_ptr<PushLoop>> loops_;
  std::atomic<std::size_t> turns_{0};
};

tl::unexpected<Error> zero(const char* field) {
  return fail(Reason::invalid, std::string(field) + ": 0 is too few, should be at least 1", field);
}

}  // namespace

Result<std::unique_ptr<PushDispatcher>> make_push_dispatcher(PushOptions options) {
  if (options.threads == 0) return zero("threads");
  if (options.connections_per_target_max == 0) return zero("connections_per_target_max");
  if (options.connections_max == 0) return zero("connections_max");
  if (options.dns_threads_max == 0) return zero("dns_threads_max");
  Result<TargetGuard> guard = TargetGuard::make(options.guard, is_local_address);
  if (!guard) return fail(guard.error());
  Result<asio::ssl::context> tls = make_tls_context(options.ca_file);
  if (!tls) return fail(tls.error());
  Result<std::shared_ptr<const Routes>> routes = Routes::make(options.appengine.routes);
  if (!routes) return fail(routes.error());
  return std::make_unique<HttpPushDispatcher>(std::move(options), std::move(*guard),
                                              std::move(*tls), std::move(*routes));
}

}  // namespace deferd
