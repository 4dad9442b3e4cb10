#include "api/appengine/queue_settings_proto.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "api/appengine/retry.h"
#include "api/http/text.h"
#include "base/text.h"
#include "model/appengine_defaults.h"

namespace deferd::appengine {
namespace {

constexpr double strict_rate_max = 500;
constexpr std::int32_t strict_burst_max = 500;
constexpr std::int32_t burst_max = 1'000'000;
constexpr std::int32_t strict_concurrency_max = 5000;
constexpr std::int32_t concurrency_max = 100'000;

// As it was written, if that is what the number says: "10/m" is exact, a sixth a second is not.
Rate rate_of(double per_second, const std::string& written) {
  if (auto parsed = parse_rate(written);
      parsed && !parsed->unlimited &&
      std::abs(parsed->per_second() - per_second) <= per_second * 1e-6) {
    return *parsed;
  }
  constexpr std::int64_t thousandths = 1000;
  const double a_second = per_second * thousandths;
  if (per_second == 0 || (a_second >= 1 && std::abs(a_second - std::round(a_second)) < 1e-6)) {
    return {.count = std::llround(a_second), .period = Seconds(1)};
  }
  constexpr Seconds day(86'400);
  const double a_day = a_second * static_cast<double>(day.count());
  return {.count = std::max<std::int64_t>(1, std::llround(a_day)), .period = day};
}

RpcFailure out_of_range(ErrorCode code, const char* member, double most) {
  return refusal(code, std::string(member) + " is out of range; give 0 to " +
                           std::to_string(std::llround(most)));
}

}  // namespace

std::variant<QueueSettings, RpcFailure> settings_of(const wire::TaskQueueUpdateQueueRequest& given,
                                                    bool strict) {
  const QueueMode mode =
      given.mode() == wire::TaskQueueMode::PULL ? QueueMode::pull : QueueMode::push;
  QueueSettings settings = app_engine_defaults(mode);

  const double rate = given.bucket_refill_per_second();
  const double rate_max = strict ? strict_rate_max : static_cast<double>(rate_per_second_max);
  if (!(rate >= 0 && rate <= rate_max)) {  // also when it is no number
    return out_of_range(Service::INVALID_QUEUE_RATE, "bucket_refill_per_second", rate_max);
  }
  const std::int32_t capacity = given.bucket_capacity();
  const std::int32_t capacity_max = strict ? strict_burst_max : burst_max;
  if (capacity > capacity_max) {
    return out_of_range(Service::INVALID_QUEUE_RATE, "bucket_capacity", capacity_max);
  }
  settings.rate = rate_of(rate, given.user_specified_rate());
  settings.burst = std::max(capacity, 1);
  // A bucket that holds no token stops the queue, as a rate of 0 does (GAE-spec 5.10).
  if (capacity < 1) settings.rate = {.count = 0, .period = Seconds(1)};
  if (!is_utf8(given.user_specified_rate())) {
    return refusal(Service::INVALID_QUEUE_RATE, "user_specified_rate is no text");
  }
  settings.appengine.rate_text = given.user_specified_rate();

  if (given.has_max_concurrent_requests() && given.max_concurrent_requests() != 0) {
    const std::int32_t most = strict ? strict_concurrency_max : concurrency_max;
    if (given.max_concurrent_requests() < 0 || given.max_concurrent_requests() > most) {
      return out_of_range(Service::INVALID_REQUEST, "max_concurrent_requests", most);
    }
    settings.concurrency = given.max_concurrent_requests();
  }
  if (given.has_retry_parameters()) {
    if (auto wrong = check_retry(given.retry_parameters())) {
      return refusal(Service::INVALID_RETRY_PARAMETERS, std::move(*wrong));
    }
    settings.retry = retry_policy_of(given.retry_parameters(), mode);
  }
  for (const std::string& email : given.acl().user_email()) {
    settings.appengine.user_emails.push_back(email);
  }
  for (const std::string& email : given.acl().writer_email()) {
    settings.appengine.writer_emails.push_back(email);
  }
  for (const auto& header : given.header_override()) {
    if (equal_ignoring_case(header.key(), "Host")) settings.appengine.target = header.value();
  }
  return settings;
}

QueueSettings replace_appengine_settings(const QueueSettings& there, const QueueSettings& given) {
  QueueSettings settings = there;
  settings.mode = given.mode;
  settings.rate = given.rate;
  settings.burst = given.burst;
  settings.concurrency = given.concurrency;
  settings.retry = given.retry;
  settings.appengine = given.appengine;
  return settings;
}

void write_queue(const QueueInfo& queue, wire::TaskQueueFetchQueuesResponse::Queue& row) {
  const QueueSettings& settings = queue.settings;
  row.set_queue_name(queue.name.queue);
  row.set_bucket_refill_per_second(settings.rate.unlimited ? std::numeric_limits<double>::infinity()
                                                           : settings.rate.per_second());
  row.set_bucket_capacity(settings.burst);
  if (!settings.appengine.rate_text.empty()) {
    row.set_user_specified_rate(settings.appengine.rate_text);
  }
  row.set_paused(queue.state != QueueState::running);
  wire::TaskQueueRetryParameters retry;
  if (write_retry(settings.retry, settings.mode, retry)) {
    *row.mutable_retry_parameters() = std::move(retry);
  }
  if (settings.mode == QueueMode::push) row.set_max_concurrent_requests(settings.concurrency);
  row.set_mode(settings.mode == QueueMode::pull ? wire::TaskQueueMode::PULL
                                                : wire::TaskQueueMode::PUSH);
  for (const std::string& email : settings.appengine.user_emails) {
    row.mutable_acl()->add_user_email(email);
  }
  for (const std::string& email : settings.appengine.writer_emails) {
    row.mutable_acl()->add_writer_email(email);
  }
  if (!settings.appengine.target.empty()) {
    auto* header = row.add_header_override();
    header->set_key("Host");
    header->set_value(settings.appengine.target);
  }
  row.set_creator_name("apphosting");
}

}  // namespace deferd::appengine
