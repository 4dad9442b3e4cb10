#include "api/cloudtasks/rest/firebase_calls.h"

#include <cmath>
#include <string>
#include <string_view>

#include "api/cloudtasks/queue_calls.h"
#include "api/cloudtasks/rest/default_url.h"
#include "api/cloudtasks/task_calls.h"
#include "model/target_url.h"

namespace deferd::cloudtasks::rest {
namespace {

// Of Firebase's command line; of what else is not given Cloud Tasks has the same defaults.
constexpr std::int32_t max_attempts_default = 3;
constexpr std::int32_t max_doublings_default = 16;

void write_seconds(double seconds, google::protobuf::Duration& out) {
  constexpr double most = 1e10;  // beyond any duration that a queue takes
  if (!(std::abs(seconds) < most)) seconds = std::copysign(most, seconds);
  write_duration(Micros(std::llround(seconds * 1e6)), out);
}

void write_retry(const FirebaseQueue::RetryConfig& given, V2::RetryConfig& retry) {
  retry.set_max_attempts(given.has_max_attempts() ? given.max_attempts() : max_attempts_default);
  if (given.has_max_retry_seconds())
    write_seconds(given.max_retry_seconds(), *retry.mutable_max_retry_duration());
  if (given.has_min_backoff_seconds())
    write_seconds(given.min_backoff_seconds(), *retry.mutable_min_backoff());
  if (given.has_max_backoff_seconds())
    write_seconds(given.max_backoff_seconds(), *retry.mutable_max_backoff());
  retry.set_max_doublings(given.has_max_doublings() ? given.max_doublings()
                                                    : max_doublings_default);
}

Outcome<void> write_default_url(const std::string& text, V2::Queue& queue) {
  if (text.empty()) return {};
  const auto url = parse_target_url(text);
  if (!url) return refuse_argument("defaultUri is invalid: " + url.error().message);
  using Uri = google::cloud::tasks::v2::UriOverride;
  Uri& uri = *queue.mutable_http_target()->mutable_uri_override();
  uri.set_scheme(url->tls ? Uri::HTTPS : Uri::HTTP);
  uri.set_host(url->host.find(':') == std::string::npos ? url->host : "[" + url->host + "]");
  uri.set_port(url->port);
  const std::size_t question = url->path.find('?');
  uri.mutable_path_override()->set_path(url->path.substr(0, question));
  if (question != std::string::npos)
    uri.mutable_query_override()->set_query_params(url->path.substr(question + 1));
  uri.set_uri_override_enforce_mode(Uri::IF_NOT_EXISTS);
  return {};
}

}  // namespace

void create_firebase_task(Service& service, const V2::CreateTaskRequest& request,
                          const Context& context, Done<V2::Task> done) {
  const V2::Task& task = request.task();
  auto queue = queue_of(request.parent());
  if (!queue || !task.has_http_request() || !task.http_request().url().empty())
    return TaskCalls<V2>::create_task(service, request, context, std::move(done));
  with_default_url(service, std::move(*queue), context,
                   [&service, filled = request, context,
                    done = std::move(done)](Outcome<std::string> url) mutable {
                     if (!url) return done(refuse(url.error()));
                     filled.mutable_task()->mutable_http_request()->set_url(std::move(*url));
                     TaskCalls<V2>::create_task(service, filled, context, std::move(done));
                   });
}

void register_firebase_queue(Service& service, const FirebaseQueue& request, const Context& context,
                             Done<FirebaseQueueMade> done) {
  V2::UpdateQueueRequest update;
  V2::Queue& queue = *update.mutable_queue();
  queue.set_name(request.name());
  write_retry(request.retry_config(), *queue.mutable_retry_config());
  queue.mutable_rate_limits()->set_max_concurrent_dispatches(
      request.rate_limits().max_concurrent_dispatches());
  queue.mutable_rate_limits()->set_max_dispatches_per_second(
      request.rate_limits().max_dispatches_per_second());
  if (auto ok = write_default_url(request.default_uri(), queue); !ok)
    return done(refuse(ok.error()));
  // Each named by itself, so that what is not given is as if it had never been.
  for (const char* path : {"retry_config.max_attempts", "retry_config.max_retry_duration",
                           "retry_config.min_backoff", "retry_config.max_backoff",
                           "retry_config.max_doublings", "rate_limits.max_concurrent_dispatches",
                           "rate_limits.max_dispatches_per_second", "http_target"}) {
    update.mutable_update_mask()->add_paths(path);
  }
  QueueCalls<V2>::update_queue(
      service, update, context,
      [config = request, done = std::move(done)](const Outcome<V2::Queue>& made) mutable {
        if (!made) return done(refuse(made.error()));
        config.clear_name();
        FirebaseQueueMade response;
        *response.mutable_task_queue_config() = std::move(config);
        done(std::move(response));
      });
}

}  // namespace deferd::cloudtasks::rest
