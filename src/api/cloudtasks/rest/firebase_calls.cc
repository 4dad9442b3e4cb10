#include "api/cloudtasks/rest/firebase_calls.h"

#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "api/cloudtasks/queue_messages.h"
#include "api/cloudtasks/rest/default_url.h"
#include "api/cloudtasks/task_calls.h"
#include "api/cloudtasks/urls.h"

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

// Each named by itself, so that what is not given is as if it had never been.
const Mask& registered_parts() {
  static const Mask mask = [] {
    google::protobuf::FieldMask paths;
    for (const char* path :
         {"retry_config.max_attempts", "retry_config.max_retry_duration",
          "retry_config.min_backoff", "retry_config.max_backoff", "retry_config.max_doublings",
          "rate_limits.max_concurrent_dispatches", "rate_limits.max_dispatches_per_second"}) {
      paths.add_paths(path);
    }
    return *Mask::parse(paths, *V2::Queue::descriptor());
  }();
  return mask;
}

V2::Queue queue_of(const FirebaseQueue& given) {
  V2::Queue queue;
  write_retry(given.retry_config(), *queue.mutable_retry_config());
  V2::RateLimits& limits = *queue.mutable_rate_limits();
  limits.set_max_concurrent_dispatches(given.rate_limits().max_concurrent_dispatches());
  limits.set_max_dispatches_per_second(given.rate_limits().max_dispatches_per_second());
  return queue;
}

}  // namespace

void create_firebase_task(Service& service, const V2::CreateTaskRequest& request,
                          const Context& context, Done<V2::Task> done) {
  const V2::Task& task = request.task();
  auto queue = cloudtasks::queue_of(request.parent());
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
  auto name = cloudtasks::queue_of(request.name());
  if (!name) return done(refuse(name.error()));
  std::string url;
  if (!request.default_uri().empty()) {
    auto checked = checked_url(request.default_uri());
    if (!checked) return done(refuse_argument("defaultUri: " + checked.error().message()));
    url = std::move(*checked);
  }
  const auto refused = std::make_shared<std::optional<Failure>>();
  ConfigureQueue command;
  command.queue = std::move(*name);
  command.change = [given = queue_of(request), url = std::move(url),
                    refused](const QueueSettings* there) -> Result<QueueSettings> {
    auto settings = settings_of<V2>(given, registered_parts(), there);
    if (!settings) {
      *refused = settings.error();
      return fail(Reason::invalid, settings.error().message());
    }
    QueueNote note = note_of(*settings);
    note.set_default_url(url);
    set_note(note, *settings);
    return std::move(*settings);
  };
  FirebaseQueueMade response;
  *response.mutable_task_queue_config() = request;
  response.mutable_task_queue_config()->clear_name();
  service.submit(context, std::move(command),
                 [refused, response = std::move(response),
                  done = std::move(done)](const Result<ConfigureQueue::Answer>& answer) mutable {
                   if (*refused) return done(refuse(**refused));
                   if (!answer)
                     return done(refuse(failure_of(answer.error(), Subject::made_queue)));
                   done(std::move(response));
                 });
}

}  // namespace deferd::cloudtasks::rest
