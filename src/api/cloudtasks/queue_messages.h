// A queue between a version's message and our settings. Values that a caller gives are checked with
// the texts of CT-spec 8.1; what the mask leaves out stays as it is.
#pragma once

#include <cloudtasks/notes.pb.h>
#include <google/protobuf/util/field_mask_util.h>

#include <cmath>
#include <optional>
#include <string>

#include "api/cloudtasks/http_targets.h"
#include "api/cloudtasks/mask.h"
#include "api/cloudtasks/outcome.h"
#include "api/cloudtasks/rates.h"
#include "api/cloudtasks/routing.h"
#include "api/cloudtasks/times.h"
#include "model/queue_settings.h"

namespace deferd::cloudtasks {

constexpr Micros task_ttl_default = std::chrono::hours(24 * 31);  // CT-spec 9.1

// What of a queue's settings only this door reads.
inline QueueNote note_of(const QueueSettings& settings) {
  QueueNote note;
  if (!note.ParseFromString(settings.note)) note.Clear();  // another door's, or damaged
  return note;
}
inline void set_note(const QueueNote& note, QueueSettings& settings) {
  settings.note = note.SerializeAsString();
}

// Of the queue, whoever has set it.
inline Routing routing_of(const QueueSettings& settings, const QueueNote& note) {
  Routing noted = read_routing(note.routing());
  if (target_of(noted) == settings.appengine.target) return noted;
  return routing_of_target(settings.appengine.target);
}

// ---- which fields a version has them in

template <class Queue>
decltype(auto) routing_field(const Queue& queue) {
  if constexpr (requires { queue.app_engine_http_queue(); }) {
    return (queue.app_engine_http_queue().app_engine_routing_override());
  } else if constexpr (requires { queue.app_engine_http_target(); }) {
    return (queue.app_engine_http_target().app_engine_routing_override());
  } else {
    return (queue.app_engine_routing_override());
  }
}
template <class Queue>
auto* mutable_routing_field(Queue& queue) {
  if constexpr (requires { queue.app_engine_http_queue(); }) {
    return queue.mutable_app_engine_http_queue()->mutable_app_engine_routing_override();
  } else if constexpr (requires { queue.app_engine_http_target(); }) {
    return queue.mutable_app_engine_http_target()->mutable_app_engine_routing_override();
  } else {
    return queue.mutable_app_engine_routing_override();
  }
}
template <class Limits>
double rate_field(const Limits& limits) {
  if constexpr (requires { limits.max_tasks_dispatched_per_second(); }) {
    return limits.max_tasks_dispatched_per_second();
  } else {
    return limits.max_dispatches_per_second();
  }
}
template <class Limits>
std::int32_t concurrency_field(const Limits& limits) {
  if constexpr (requires { limits.max_concurrent_tasks(); }) {
    return limits.max_concurrent_tasks();
  } else {
    return limits.max_concurrent_dispatches();
  }
}
template <class Limits>
void set_limits(double rate, std::int32_t concurrency, Limits& limits) {
  if constexpr (requires { limits.max_concurrent_tasks(); }) {
    limits.set_max_tasks_dispatched_per_second(rate);
    limits.set_max_concurrent_tasks(concurrency);
  } else {
    limits.set_max_dispatches_per_second(rate);
    limits.set_max_concurrent_dispatches(concurrency);
  }
}
template <class Retry>
std::int32_t attempts_field(const Retry& retry) {
  if constexpr (requires { retry.unlimited_attempts(); }) {
    return retry.unlimited_attempts() ? -1 : retry.max_attempts();
  } else {
    return retry.max_attempts();
  }
}

// The kind that the message says; absent: it says none.
template <class Queue>
std::optional<QueueMode> mode_field(const Queue& queue) {
  if constexpr (requires { queue.type(); }) {
    if (queue.type() == Queue::PULL) return QueueMode::pull;
    if (queue.type() == Queue::PUSH) return QueueMode::push;
  } else if constexpr (requires { queue.pull_target(); }) {
    if (queue.has_pull_target()) return QueueMode::pull;
    if (queue.has_http_target() || queue.has_app_engine_http_target()) return QueueMode::push;
  }
  return std::nullopt;
}

// ---- reading

// Fails with the texts of CT-spec 8.1 for the members that are set.
template <class Retry>
Outcome<void> check_retry(const Retry& retry) {
  if (attempts_field(retry) < -1)
    return refuse_argument("RetryConfig.maxAttempts must be greater or equal to -1.");
  if (retry.max_doublings() < 0)
    return refuse_argument("RetryConfig.maxDoublings cannot be negative.");
  if (read_duration(retry.min_backoff()) < Micros(0))
    return refuse_argument("RetryConfig.minBackoff cannot be negative.");
  if (read_duration(retry.max_backoff()) < Micros(0))
    return refuse_argument("RetryConfig.maxBackoff cannot be negative.");
  if (read_duration(retry.max_retry_duration()) < Micros(0))
    return refuse_argument("RetryConfig.maxRetryDuration cannot be negative.");
  return {};
}

// Of a merged policy, defaults included (CT-spec 8.1).
inline Outcome<void> check_backoffs(const RetryPolicy& policy) {
  if (policy.min_backoff <= policy.max_backoff) return {};
  return refuse_argument(
      "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff.");
}

template <class Limits>
Outcome<void> check_limits(const Limits& limits, bool sets_burst) {
  constexpr double rate_max = 500;
  constexpr std::int32_t concurrency_max = 5000;
  constexpr std::int32_t burst_max = 500;
  if (rate_field(limits) < 0)
    return refuse_argument("RateLimits.maxDispatchesPerSecond cannot be negative.");
  if (!(rate_field(limits) <= rate_max)) {  // also what is no number
    return refuse_argument("RateLimits.maxDispatchesPerSecond must be less than or equal to 500.");
  }
  if (concurrency_field(limits) < 0)
    return refuse_argument("RateLimits.maxConcurrentDispatches cannot be negative.");
  if (concurrency_field(limits) > concurrency_max) {
    return refuse_argument(
        "RateLimits.maxConcurrentDispatches must be less than or equal to 5000.");
  }
  if (sets_burst && limits.max_burst_size() < 0)
    return refuse_argument("RateLimits.maxBurstSize cannot be negative.");
  if (sets_burst && limits.max_burst_size() > burst_max)
    return refuse_argument("RateLimits.maxBurstSize must be less than or equal to 500.");
  return {};
}

// Sets one of our members after another as the mask says.
class SettingsReader {
 public:
  explicit SettingsReader(const Mask& mask) : mask_(mask) {}

  template <class T>
  void put(std::string_view path, bool is_set, T given, T otherwise, T& member) const {
    switch (mask_.take(path)) {
      case Mask::Take::keep:
        return;
      case Mask::Take::merge:
        if (is_set) member = given;
        return;
      case Mask::Take::set:
        member = is_set ? given : otherwise;
    }
  }
  template <class T>
  void put_nonzero(std::string_view path, T given, T otherwise, T& member) const {
    put(path, given != T{}, given, otherwise, member);
  }
  bool touches(std::string_view path) const { return mask_.touches(path); }

 private:
  const Mask& mask_;
};

template <class Retry>
void read_retry(const Retry& retry, const Mask& mask, const RetryPolicy& otherwise,
                RetryPolicy& policy) {
  const SettingsReader reader(mask);
  reader.put_nonzero("retry_config.max_attempts", attempts_field(retry), otherwise.max_attempts,
                     policy.max_attempts);
  if constexpr (requires { retry.unlimited_attempts(); }) {
    if (mask.names("retry_config.unlimited_attempts"))
      policy.max_attempts = retry.unlimited_attempts() ? -1 : otherwise.max_attempts;
  }
  reader.put("retry_config.max_retry_duration", retry.has_max_retry_duration(),
             read_duration(retry.max_retry_duration()), otherwise.max_age, policy.max_age);
  reader.put("retry_config.min_backoff", retry.has_min_backoff(),
             read_duration(retry.min_backoff()), otherwise.min_backoff, policy.min_backoff);
  reader.put("retry_config.max_backoff", retry.has_max_backoff(),
             read_duration(retry.max_backoff()), otherwise.max_backoff, policy.max_backoff);
  // Zero cannot be told from unset, but by a mask that names it (CT-spec 9.1).
  reader.put("retry_config.max_doublings",
             retry.max_doublings() != 0 || mask.names("retry_config.max_doublings"),
             retry.max_doublings(), otherwise.max_doublings, policy.max_doublings);
}

inline Outcome<Micros> read_ttl(const google::protobuf::Duration& given, std::string_view name,
                                Micros low, Micros high) {
  const Micros ttl = read_duration(given);
  if (ttl >= low && ttl <= high) return ttl;
  return refuse_argument("Queue." + std::string(name) + " must be between " + format_duration(low) +
                         " and " + format_duration(high) + ".");
}

// What the settings are to be: `given` where the mask says so, over those that are there (null:
// over the defaults).
template <class V>
Outcome<QueueSettings> settings_of(const typename V::Queue& given, const Mask& mask,
                                   const QueueSettings* there) {
  const std::optional<QueueMode> mode = mode_field(given);
  QueueSettings settings =
      there != nullptr ? *there : QueueSettings::defaults(mode.value_or(QueueMode::push));
  // A type in the body of an update is ignored unless it is another one.
  if (mode && *mode != settings.mode) {
    return refuse_argument("The type of a queue cannot be changed.");
  }
  if (there == nullptr) settings.task_ttl = task_ttl_default;
  const QueueSettings defaults = QueueSettings::defaults(settings.mode);
  const SettingsReader reader(mask);

  if (settings.mode == QueueMode::push) {
    if (reader.touches("rate_limits")) {
      if (auto ok = check_limits(given.rate_limits(), V::sets_burst); !ok)
        return refuse(ok.error());
    }
    const double rate = rate_field(given.rate_limits());
    const Rate before = settings.rate;
    reader.put(V::rate_path, rate != 0, rate_of(rate), defaults.rate, settings.rate);
    reader.put_nonzero(V::concurrency_path, concurrency_field(given.rate_limits()),
                       defaults.concurrency, settings.concurrency);
    if (!V::sets_burst || before != settings.rate || there == nullptr)
      settings.burst = derived_burst(settings.rate);
    if (V::sets_burst) {
      reader.put_nonzero("rate_limits.max_burst_size", given.rate_limits().max_burst_size(),
                         derived_burst(settings.rate), settings.burst);
    }
  }

  if (reader.touches("retry_config")) {
    if (auto ok = check_retry(given.retry_config()); !ok) return refuse(ok.error());
  }
  read_retry(given.retry_config(), mask, defaults.retry, settings.retry);
  if (auto ok = check_backoffs(settings.retry); !ok) return refuse(ok.error());

  QueueNote note = note_of(settings);
  typename V::Queue merged;  // of the messages that a mask may name in part
  if (reader.touches(V::routing_path)) {
    const Routing routing = routing_of(settings, note);
    if (!routing.empty()) write_routing(routing, *mutable_routing_field(merged));
    const std::string path(V::routing_path);
    if (mask.take(path) == Mask::Take::set) {
      *mutable_routing_field(merged) = routing_field(given);
    } else {
      google::protobuf::util::FieldMaskUtil::MergeMessageTo(given, mask.below(path), {}, &merged);
    }
    const Routing after = read_routing(routing_field(merged));
    if (!is_valid(after)) {
      return refuse_argument(
          "AppEngineRouting: service, version and instance may contain only letters, numbers, "
          "hyphens, underscores and dots.");
    }
    settings.appengine.target = target_of(after);
    note.clear_routing();
    if (!after.empty()) write_routing(after, *note.mutable_routing());
  }
  if (reader.touches("http_target")) {
    if (settings.http_target)
      write_http_target(*settings.http_target, *merged.mutable_http_target());
    if (mask.take("http_target") == Mask::Take::set) {
      merged.clear_http_target();
      if (given.has_http_target()) *merged.mutable_http_target() = given.http_target();
    } else {
      google::protobuf::util::FieldMaskUtil::MergeOptions options;
      options.set_replace_repeated_fields(true);
      google::protobuf::util::FieldMaskUtil::MergeMessageTo(given, mask.below("http_target"),
                                                            options, &merged);
    }
    auto target = read_http_target(merged.http_target());
    if (!target) return refuse(target.error());
    settings.http_target = std::move(*target);
  }
  if constexpr (requires { given.stackdriver_logging_config(); }) {
    const double ratio = given.stackdriver_logging_config().sampling_ratio();
    if (reader.touches("stackdriver_logging_config")) {
      if (!(ratio >= 0 && ratio <= 1)) {
        return refuse_argument(
            "StackdriverLoggingConfig.samplingRatio must be between 0.0 and 1.0.");
      }
      settings.log_sampling.reset();
      if (given.has_stackdriver_logging_config()) settings.log_sampling = ratio;
    }
  }
  if constexpr (requires { given.task_ttl(); }) {
    if (reader.touches("task_ttl")) {
      settings.task_ttl = task_ttl_default;
      if (given.has_task_ttl()) {
        const auto ttl =
            read_ttl(given.task_ttl(), "taskTtl", std::chrono::hours(24 * 10), task_ttl_max);
        if (!ttl) return refuse(ttl.error());
        settings.task_ttl = *ttl;
      }
    }
    if (reader.touches("tombstone_ttl")) {
      settings.tombstone = defaults.tombstone;
      if (given.has_tombstone_ttl()) {
        const auto ttl = read_ttl(given.tombstone_ttl(), "tombstoneTtl", std::chrono::hours(1),
                                  std::chrono::hours(24 * 9));
        if (!ttl) return refuse(ttl.error());
        settings.tombstone = *ttl;
      }
    }
  }
  set_note(note, settings);
  return settings;
}

// ---- writing

template <class Retry>
void write_retry(const RetryPolicy& policy, Retry& retry) {
  if constexpr (requires { retry.unlimited_attempts(); }) {
    if (policy.max_attempts < 0) {
      retry.set_unlimited_attempts(true);
    } else {
      retry.set_max_attempts(policy.max_attempts);
    }
  } else {
    retry.set_max_attempts(policy.max_attempts);
  }
  if (policy.max_age > Micros(0))
    write_duration(policy.max_age, *retry.mutable_max_retry_duration());
  write_duration(policy.min_backoff, *retry.mutable_min_backoff());
  write_duration(policy.max_backoff, *retry.mutable_max_backoff());
  retry.set_max_doublings(policy.max_doublings);
}

template <class Queue>
typename Queue::State state_of(QueueState state) {
  switch (state) {
    case QueueState::running:
      return Queue::RUNNING;
    case QueueState::paused:
      return Queue::PAUSED;
    case QueueState::disabled:
      break;
  }
  return Queue::DISABLED;
}

// All values in force (CT-spec 9.1); statistics are the betas' and come apart.
template <class V>
void write_queue(const QueueInfo& info, typename V::Queue& queue) {
  const QueueSettings& settings = info.settings;
  const QueueNote note = note_of(settings);
  queue.set_name(info.name.path());
  queue.set_state(state_of<typename V::Queue>(info.state));
  if (info.purged) write_time(*info.purged, *queue.mutable_purge_time());
  const bool pull = settings.mode == QueueMode::pull;
  if constexpr (requires { queue.type(); }) {
    queue.set_type(pull ? V::Queue::PULL : V::Queue::PUSH);
  }
  auto& limits = *queue.mutable_rate_limits();
  if (pull) {
    set_limits(10'000, -1, limits);
    limits.set_max_burst_size(10'000);
  } else {
    set_limits(settings.rate.unlimited ? static_cast<double>(rate_per_second_max)
                                       : settings.rate.per_second(),
               settings.concurrency, limits);
    limits.set_max_burst_size(settings.burst);
  }
  write_retry(settings.retry, *queue.mutable_retry_config());
  // In v2beta2 these share a oneof: the last one is shown.
  if (const Routing routing = routing_of(settings, note); !routing.empty()) {
    auto* field = mutable_routing_field(queue);
    write_routing(routing, *field);
    field->set_host(shown_host(routing, info.name.project, info.name.location));
  }
  if (settings.http_target) write_http_target(*settings.http_target, *queue.mutable_http_target());
  if constexpr (requires { queue.pull_target(); }) {
    if (pull) queue.mutable_pull_target();
  }
  if constexpr (requires { queue.stackdriver_logging_config(); }) {
    if (settings.log_sampling)
      queue.mutable_stackdriver_logging_config()->set_sampling_ratio(*settings.log_sampling);
  }
  if constexpr (requires { queue.task_ttl(); }) {
    // Not shown: tasks of this queue live for ever, which no caller of this door can ask for.
    if (settings.task_ttl > Micros(0)) write_duration(settings.task_ttl, *queue.mutable_task_ttl());
    write_duration(settings.tombstone, *queue.mutable_tombstone_ttl());
  }
}

}  // namespace deferd::cloudtasks
