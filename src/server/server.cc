#include "server/server.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <random>
#include <ranges>
#include <thread>
#include <utility>
#include <vector>

#include "api/appengine/appengine.h"
#include "api/cloudtasks/grpc_server.h"
#include "api/cloudtasks/rest/rest.h"
#include "api/http/server.h"
#include "api/http/tls_identity.h"
#include "api/native/native.h"
#include "api/oidc/oidc.h"
#include "api/taskqueue_rest/taskqueue_rest.h"
#include "apply/cron_uploads.h"
#include "apply/uploads.h"
#include "auth/access.h"
#include "auth/https_get.h"
#include "auth/oauth_tokens.h"
#include "auth/oidc_issuer.h"
#include "auth/ticket.h"
#include "base/log.h"
#include "config/access_yaml.h"
#include "config/queue_yaml.h"
#include "cron/recurrences.h"
#include "dispatch/push_dispatcher.h"
#include "engine/callbacks.h"
#include "model/appengine_defaults.h"
#include "runtime/clock.h"
#include "runtime/runtime.h"
#include "server/cron_file.h"
#include "server/doors.h"
#include "server/metrics.h"
#include "server/push_tokens.h"
#include "server/queue_file.h"
#include "server/reload.h"
#include "server/task_log_writer.h"
#include "store/memory/store.h"
#include "store/rocksdb/store.h"

namespace deferd {
namespace {

std::uint32_t cores() { return std::max(1U, std::thread::hardware_concurrency()); }

std::uint64_t random_seed() {
  std::random_device device;  // lease tokens must not be guessed: drawn from the kernel
  return (std::uint64_t{device()} << 32) ^ device();
}

// Stands before the door until there is one: the address is bound first, since the target guard
// must know it, and opening a large store takes a moment.
class Entrance final : public HttpHandler {
 public:
  void open(HttpHandler& door) { door_.store(&door, std::memory_order_release); }

  void handle(const HttpRequest& request, HttpReply reply) override {
    HttpHandler* const door = door_.load(std::memory_order_acquire);
    if (door != nullptr) {
      door->handle(request, std::move(reply));
      return;
    }
    HttpResponse response;
    response.status = 503;
    response.headers = "Retry-After: 1\r\n";
    response.body = error_json(503, "UNAVAILABLE", "the server is starting; try again in a moment");
    reply.send(std::move(response));
  }
  std::optional<HttpResponse> too_large(const HttpRequest& head) override {
    HttpHandler* const door = door_.load(std::memory_order_acquire);
    return door != nullptr ? door->too_large(head) : std::nullopt;
  }

 private:
  std::atomic<HttpHandler*> door_{nullptr};
};

class WiredServer final : public Server {
 public:
  WiredServer(const ServerConfig& config, OpenStore open_store)
      : config_(config), open_store_(std::move(open_store)), shown_config_(config_json(config)) {}
  ~WiredServer() override { stop(); }

  Result<void> start() {
    if (auto ok = listen(); !ok) return ok;
    if (auto ok = open_store(); !ok) return ok;

    PushOptions push;
    push.threads =
        config_.dispatch_threads != 0 ? config_.dispatch_threads : std::max(1U, cores() / 2);
    push.connections_max = config_.push_connections_max;
    push.connections_per_target_max = config_.push_connections_per_target_max;
    push.redirects_max = config_.push_redirects_max;
    push.kept_responses_bytes_max = config_.push_results_bytes_max;
    push.ca_file = config_.ca_file;
    push.guard = {config_.target_deny, config_.target_allow, {http_->address()}};
    if (!config_.grpc_listen.empty()) push.guard.own.push_back(http_->grpc_address());
    auto tickets = make_tickets();
    if (!tickets) return fail(tickets.error());
    tickets_ = std::move(*tickets);
    if (auto ok = make_access(); !ok) return ok;
    push.appengine.routes = config_.routes;
    push.appengine.headers = {config_.forwarded_for, config_.eta_whole_seconds,
                              config_.cron_user_ip};
    push.appengine.ticket = [this](std::string_view app, Micros deadline, Wall now) {
      return tickets_->mint(app, deadline, now);
    };
    if (auto ok = make_push_tokens(); !ok) return ok;
    push.tokens = push_tokens_.get();
    auto dispatcher = make_push_dispatcher(std::move(push));
    if (!dispatcher) return fail(dispatcher.error());
    dispatcher_ = std::move(*dispatcher);

    RuntimeOptions options;
    options.shards = config_.shards != 0 ? config_.shards : std::max(1U, cores() / 2);
    options.waiting_bytes_max = config_.waiting_bytes_max;
    options.shard.seed = random_seed();
    options.shard.throttle = config_.push_throttling;
    options.shard.recurrences = recurrences_.get();
    options.shard.callbacks = callbacks_.get();
    options.shard.task_log = &task_log_;
    auto runtime = Runtime::start(options, clock_, *store_, *dispatcher_);
    if (!runtime) return fail(runtime.error());
    runtime_ = std::move(*runtime);
    if (auto ok = make_default_queue(); !ok) return ok;
    uploads_ =
        QueueUploads::make(*runtime_,
                           config_.app_limits == AppLimits::strict ? QueueYamlLimits::app_engine
                                                                   : QueueYamlLimits::deferd,
                           app_deadline(config_.scaling));
    cron_ = CronUploads::make(
        *runtime_, clock_,
        {config_.cron_missed,
         [this](const std::string& project) { return dispatcher_->routes()->hostname(project); },
         app_deadline(config_.scaling)});
    if (auto ok = apply_files(); !ok) return ok;

    NativeDoorOptions door;
    door.project = config_.project;
    door.location = config_.location;
    door.task_bytes_max = config_.task_bytes_max;
    door.app = config_.app();
    door.access = access_.get();
    door.uploads = uploads_.get();
    door.cron = cron_.get();
    door.config_json = [this] { return shown_config(); };
    door.metrics_text = [this] { return metrics_.text(call_counts(*cloud_tasks_)); };
    door.health = [this] { return health(); };
    doors_ = std::make_unique<Doors>(make_native_door(std::move(door), *runtime_, clock_));

    AppEngineDoorOptions appengine;
    appengine.default_app = config_.app();
    appengine.location = config_.location;
    appengine.task_bytes_max = config_.task_bytes_max;
    appengine.attempt_timeout = app_deadline(config_.scaling);
    appengine.strict = config_.app_limits == AppLimits::strict;
    appengine.auto_create_queues = config_.auto_create_queues;
    if (config_.transactional_tasks == TransactionalTasks::immediate) {
      appengine.transactional_tasks = AppEngineDoorOptions::Transactional::immediate;
    }
    appengine.access = access_.get();
    appengine.tickets = tickets_.get();
    doors_->add(is_appengine_path, make_appengine_door(std::move(appengine), *runtime_, clock_));

    TaskqueueRestOptions rest;
    rest.location = config_.location;
    rest.task_bytes_max = config_.task_bytes_max;
    rest.access = access_.get();
    doors_->add(is_taskqueue_rest_path,
                make_taskqueue_rest_door(std::move(rest), *runtime_, clock_));
    doors_->add(is_oidc_path, make_oidc_door(*oidc_, clock_));
    cloud_tasks_ = make_cloud_tasks(cloud_tasks_options(), *runtime_, clock_);
    doors_->add(is_cloud_tasks_path,
                make_cloud_tasks_rest({config_.request_bytes_max}, cloud_tasks_));
    start_grpc();
    entrance_.open(*doors_);
    return {};
  }

  std::string address() const override { return http_->address(); }

  void refresh_metrics() override {
    metrics_.observe(runtime_->stats(), http_->stats(), dispatcher_->stats());
    // Asked one after the other, each from the answer of the last: never more than one call under
    // way.
    const std::lock_guard lock(watched_mutex_);
    if (watching_) return;
    watching_ = true;
    runtime_->submit(ListQueues{"", "", "", static_cast<std::uint32_t>(Metrics::queues_max),
                                [this](Result<std::vector<QueueInfo>> queues) {
                                  to_watch_.clear();
                                  if (queues) {
                                    for (const QueueInfo& queue : *queues | std::views::reverse)
                                      to_watch_.push_back(queue.name);
                                  }
                                  watch_next();
                                }});
  }

  void reload() override { reload_.run(); }

  void stop() override {
    if (stopped_.exchange(true)) return;
    const auto drain = std::chrono::duration_cast<Millis>(config_.drain_timeout);
    if (http_) http_->stop_accepting();
    if (runtime_) {
      std::promise<void> idle;
      runtime_->stop(clock_.now().mono + drain, [&idle] { idle.set_value(); });
      idle.get_future().wait();
    }
    if (grpc_) grpc_->stop(Millis(1000));
    if (http_) http_->stop(Millis(1000));
    // What still runs is cut off; its tasks run again after the next start.
    grpc_.reset();
    runtime_.reset();
    http_.reset();
    doors_.reset();
    dispatcher_.reset();
    store_.reset();
  }

 private:
  Result<void> listen() {
    HttpOptions http;
    http.listen = to_string(config_.listen);
    http.threads = config_.http_threads != 0 ? config_.http_threads : std::max(1U, cores() / 2);
    http.body_bytes_max = config_.request_bytes_max;
    http.connections_max = config_.connections_max;
    http.idle_timeout = std::chrono::duration_cast<Millis>(config_.idle_timeout);
    http.head_timeout = std::chrono::duration_cast<Millis>(config_.slow_timeout);
    http.body_timeout = std::chrono::duration_cast<Millis>(config_.slow_timeout);
    http.write_timeout = std::chrono::duration_cast<Millis>(config_.slow_timeout);
    // Before there is a gRPC server a caller is told as one that finds nobody listening.
    http.take_http2 = [this](int fd) {
      GrpcServer* const grpc = grpc_open_.load(std::memory_order_acquire);
      if (grpc != nullptr) {
        grpc->take(fd);
      } else {
        ::close(fd);
      }
    };
    http.grpc_listen = config_.grpc_listen;
    if (auto ok = load_tls(http); !ok) return ok;
    auto server = HttpServer::start(http, entrance_);
    if (!server) return fail(server.error());
    http_ = std::move(*server);
    if (!config_.grpc_listen.empty()) {
      const std::string address = http_->grpc_address();
      log_info("grpc.listening", {{"listen", std::string_view(address)}});
    }
    return {};
  }

  Result<void> load_tls(HttpOptions& http) {
    if (config_.tls_cert.empty()) return {};
    auto identity = TlsIdentity::load(
        {config_.tls_cert, config_.tls_key,
         config_.tls_min_version == TlsVersionMin::v1_3 ? TlsVersion::v1_3 : TlsVersion::v1_2});
    if (!identity) return fail(identity.error());
    reload_.add(config_.tls_cert, [identity = *identity] { return identity->reload(); });
    http.tls = std::move(*identity);
    http.plaintext = config_.tls_plaintext;
    return {};
  }

  CloudTasksOptions cloud_tasks_options() {
    CloudTasksOptions options;
    options.locations = {config_.location};
    if (config_.app_limits == AppLimits::strict) {
      options.queue_tombstone = std::chrono::hours(24 * 3);
    }
    options.access = access_.get();
    options.upload_queue_yaml = [this](std::string project, std::string yaml,
                                       CloudTasksOptions::UploadDone done) {
      uploads_->upload(
          {SourceText{"queue.yaml", std::move(yaml)}, std::move(project), config_.location},
          [done = std::move(done)](Result<QueuePlan> plan) mutable {
            done(plan ? Result<void>() : Result<void>(fail(plan.error())));
          });
    };
    return options;
  }

  void start_grpc() {
    GrpcOptions grpc;
    grpc.threads = config_.http_threads != 0 ? config_.http_threads : std::max(1U, cores() / 2);
    grpc.message_bytes_max = config_.request_bytes_max;
    grpc.memory_bytes_max = std::max<std::uint64_t>(128 << 20, 8 * config_.request_bytes_max);
    grpc.idle_timeout = std::chrono::duration_cast<Millis>(config_.idle_timeout);
    grpc.ping_timeout = std::chrono::duration_cast<Millis>(config_.slow_timeout);
    grpc_ = GrpcServer::start(grpc, cloud_tasks_, clock_);
    grpc_open_.store(grpc_.get(), std::memory_order_release);
  }

  // The key lives beside the tasks, so that tickets outlive a restart.
  Result<std::unique_ptr<const Tickets>> make_tickets() const {
    const auto key =
        config_.store == StoreKind::memory ? random_ticket_key() : load_ticket_key(config_.data);
    if (!key) return fail(key.error());
    return std::make_unique<const Tickets>(*key, config_.tickets);
  }

  Result<void> make_push_tokens() {
    OidcOptions oidc;
    oidc.issuer = config_.oidc_issuer;
    if (oidc.issuer.empty()) {
      oidc.issuer = (config_.tls_cert.empty() ? "http://" : "https://") + http_->address();
    }
    if (config_.store != StoreKind::memory) oidc.folder = config_.data;
    oidc.rotation = config_.oidc_key_rotation;
    oidc.threads = std::max(1U, cores() / 2);
    auto issuer = OidcIssuer::make(std::move(oidc));
    if (!issuer) return fail(issuer.error());
    oidc_ = std::move(*issuer);
    if (!config_.oauth_metadata_url.empty()) {
      OauthOptions oauth;
      oauth.metadata_url = config_.oauth_metadata_url;
      auto tokens = OauthTokens::make(std::move(oauth));
      if (!tokens) return fail(tokens.error());
      oauth_ = std::move(*tokens);
    }
    push_tokens_ = std::make_unique<PushTokens>(*oidc_, oauth_.get());
    return {};
  }

  // Absent with authentication off.
  Result<void> make_access() {
    if (!config_.authentication()) {
      if (config_.allow_unauthenticated) {
        log_warn("auth.off", {{"effect",
                               "whoever reaches this server may read, change and delete "
                               "everything and make it call URLs"}});
      }
      return {};
    }
    const HttpsGetOptions get{.ca_file = config_.ca_file};
    access_ = std::make_unique<Access>(
        AccessOptions{*tickets_, policy_of_queue,
                      [get](const std::string& url) { return https_get(url, get); }},
        AccessRules{});
    if (config_.access_yaml.empty()) return {};
    const ReloadActions::Action read = [this]() -> Result<void> {
      auto rules = read_access_yaml(config_.access_yaml);
      if (!rules) return fail(rules.error());
      access_->set_rules(std::move(*rules));
      return {};
    };
    reload_.add(config_.access_yaml, read);
    return read();
  }

  Result<void> open_store() {
    if (config_.store == StoreKind::memory) {
      log_warn("store.memory", {{"effect", "nothing survives the end of this process"}});
      store_ = std::make_unique<MemoryStore>();
      return {};
    }
    RocksOptions options;
    options.folder = config_.data;
    options.block_cache_bytes = config_.cache_bytes;
    options.on_commit = [this](const CommitReport& report) { metrics_.committed(report); };
    auto store = open_store_(options);
    if (!store) return fail(store.error());
    store_ = std::move(*store);
    return {};
  }

  // The queue `default` is always there.
  // With App Engine's limits as App Engine has it (GAE-spec 5.5), else as /v1.
  Result<void> make_default_queue() {
    auto name = QueueName::parse(config_.project, config_.location, "default");
    if (!name) return fail(name.error());
    std::promise<Result<void>> made;
    runtime_->submit(ConfigureQueue{*name,
                                    [strict = config_.app_limits == AppLimits::strict](
                                        const QueueSettings* there) -> Result<QueueSettings> {
                                      if (there != nullptr) return *there;
                                      return strict ? app_engine_defaults(QueueMode::push)
                                                    : QueueSettings::defaults(QueueMode::push);
                                    },
                                    [&made](Result<ConfigureQueue::Answer> answer) {
                                      made.set_value(answer ? Result<void>()
                                                            : Result<void>(fail(answer.error())));
                                    }});
    return made.get_future().get();
  }

  // Files that are applied before anybody calls, and again on SIGHUP.
  Result<void> apply_files() {
    if (!config_.file.empty()) reload_.add(config_.file, [this] { return change_routes(); });
    if (!config_.queue_yaml.empty()) {
      const ReloadActions::Action apply = [this] {
        return apply_queue_file(*uploads_, config_.queue_yaml, config_.app(), config_.location);
      };
      reload_.add(config_.queue_yaml, apply);
      if (auto ok = apply(); !ok) return ok;
    }
    if (!config_.cron_yaml.empty()) {
      // After the routes: a job's Host header ends with its application's hostname.
      const ReloadActions::Action apply = [this] {
        return apply_cron_file(*cron_, config_.cron_yaml, config_.app(), config_.location);
      };
      reload_.add(config_.cron_yaml, apply);
      if (auto ok = apply(); !ok) return ok;
    }
    return {};
  }

  Health health() const {
    if (stopped_) return {false, "the server is shutting down"};
    if (runtime_->stats().store_failed) {
      return {false,
              "the store cannot write (see the log): nothing is acknowledged; free space or mend "
              "the disk, then restart"};
    }
    return {};
  }

  // On a shard's thread, one call at a time.
  void watch_next() {
    if (to_watch_.empty()) {
      metrics_.observe_queues(std::exchange(watched_, {}));
      const std::lock_guard lock(watched_mutex_);
      watching_ = false;
      return;
    }
    QueueName name = to_watch_.back();
    to_watch_.pop_back();
    runtime_->submit(GetQueueStats{name, [this, name](Result<QueueStats> stats) {
                                     if (stats) watched_.emplace_back(name, *stats);
                                     watch_next();
                                   }});
  }

  std::string shown_config() const {
    const std::lock_guard lock(shown_mutex_);
    return shown_config_;
  }

  // The routes of deferd.yaml as it is now.
  Result<void> change_routes() {
    auto options = reread_routes(config_);
    if (!options) return fail(options.error());
    auto routes = Routes::make(*options);
    if (!routes) return fail(routes.error());
    dispatcher_->set_routes(std::move(*routes));
    ServerConfig changed = config_;
    changed.routes = std::move(*options);
    const std::lock_guard lock(shown_mutex_);
    shown_config_ = config_json(changed);
    return {};
  }

  const ServerConfig config_;
  const OpenStore open_store_;
  mutable std::mutex shown_mutex_;
  std::string shown_config_;  // of /v1/config; under shown_mutex_
  SystemClock clock_;
  Metrics metrics_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<const Tickets> tickets_;
  std::unique_ptr<Access> access_;  // null: authentication is off
  std::unique_ptr<OidcIssuer> oidc_;
  std::unique_ptr<OauthTokens> oauth_;  // null: not set
  std::unique_ptr<PushTokens> push_tokens_;
  std::unique_ptr<PushDispatcher> dispatcher_;
  const std::unique_ptr<Recurrences> recurrences_ = make_cron_recurrences();
  const std::unique_ptr<Callbacks> callbacks_ = make_native_callbacks();
  TaskLogWriter task_log_{STDOUT_FILENO};
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<QueueUploads> uploads_;
  std::unique_ptr<CronUploads> cron_;
  ReloadActions reload_;
  std::shared_ptr<cloudtasks::Service> cloud_tasks_;
  std::unique_ptr<Doors> doors_;
  Entrance entrance_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<GrpcServer> grpc_;
  std::atomic<GrpcServer*> grpc_open_{nullptr};
  std::atomic<bool> stopped_{false};

  std::mutex watched_mutex_;
  bool watching_ = false;            // under watched_mutex_
  std::vector<QueueName> to_watch_;  // whoever watches; the last is next
  SeenQueues watched_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(const ServerConfig& config) {
  return start(config, [](const RocksOptions& options) { return open_rocksdb(options); });
}

Result<std::unique_ptr<Server>> Server::start(const ServerConfig& config, OpenStore open_store) {
  auto server = std::make_unique<WiredServer>(config, std::move(open_store));
  if (auto ok = server->start(); !ok) return fail(ok.error());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace deferd
