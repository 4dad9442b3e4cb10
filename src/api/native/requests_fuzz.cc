// Any bytes as any request of /v1. The first byte chooses the parser, so that one corpus serves all
// of them. None may crash; what a parser takes must be within the bounds that the engine relies on;
// what it refuses must have a message that is fit to be sent.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/http/text.h"
#include "api/native/errors.h"
#include "api/native/requests.h"
#include "api/native/route.h"
#include "model/push_request.h"
#include "model/time_text.h"

namespace {

using namespace deferd;
using namespace deferd::native;

void require(bool condition) {
  if (!condition) std::abort();
}

template <class T>
bool check(const Result<T>& result) {
  if (result) return true;
  require(!result.error().message.empty());
  require(result.error().reason != Reason::internal);
  const HttpResponse response = error_response(result.error());
  require(is_utf8(response.body));
  return false;
}

constexpr TaskLimits limits{.task_bytes_max = 100'000,
                            .now = wall_from_micros(1'800'000'000'000'000)};

void check_task(const Result<NewTask>& task) {
  if (!check(task)) return;
  require(task->payload != nullptr && task->payload->size() <= limits.task_bytes_max);
  const auto request = decode_push_request_view(*task->payload);
  require(request.has_value());
  require(task->has_target != request->url.empty());
  require(!(task->eta && task->delay));
  if (task->delay) require(*task->delay >= Micros(0) && *task->delay <= eta_horizon);
  if (task->eta) require(*task->eta <= limits.now + eta_horizon);
  if (task->priority) require(*task->priority < priority_count);
  if (task->options != nullptr) {
    require(task->options->keep_result >= Micros(0));
    require(task->options->keep_result <= keep_result_max);
    require(task->options->result_headers.size() <= result_headers_max);
    require(!task->options->callback_url.empty() || task->options->callback_queue.empty());
  }
  for (const auto& [name, value] : request->headers) {
    require(!name.empty());
    require((std::string(name) + std::string(value)).find_first_of(std::string_view("\r\n\0", 3)) ==
            std::string::npos);
  }
}

void check_leases(const Result<LeasesRequest>& request) {
  if (!check(request)) return;
  for (const Lease& lease : request->leases) {
    if (lease.report == nullptr) continue;
    const AttemptReport& report = *lease.report;
    require(report.worker.size() <= worker_name_bytes_max);
    require(report.error.size() <= attempt_error_bytes_max);
    require(report.log.size() <= attempt_log_bytes_max);
    require(!report.result || report.result->body.size() <= result_bytes_max);
    require(!report.usage || (report.usage->cpu >= Micros(0) && report.usage->wall >= Micros(0)));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 16) {
    case 0:
      check_task(parse_task(text, limits));
      break;
    case 1: {
      const auto tasks = parse_task_batch(text, limits);
      if (!check(tasks)) break;
      require(!tasks->empty() && tasks->size() <= batch_tasks_max);
      for (const auto& task : *tasks) check_task(task);
      break;
    }
    case 2: {
      const auto change = parse_queue_change(text);
      if (!check(change)) break;
      const QueueSettings push = QueueSettings::defaults(QueueMode::push);
      const QueueSettings pull = QueueSettings::defaults(QueueMode::pull);
      for (const QueueSettings* current :
           {static_cast<const QueueSettings*>(nullptr), &push, &pull}) {
        const auto settings = change->over(current);
        if (check(settings)) require(settings->check().has_value());
      }
      break;
    }
    case 3:
      check(parse_lease(text));
      break;
    case 4:
      check_leases(parse_leases(text, static_cast<LeaseCall>(data[0] / 16 % 4)));
      break;
    case 5:
      check(parse_page_query(
          text, {.page = true, .state = true, .view = true, .result = true, .dead = true}));
      break;
    case 6:
      check(parse_route(text, "default", "local"));
      break;
    case 7: {
      const auto wall = parse_time(text);
      if (wall) require(*parse_time(format_time(*wall)) == *wall);
      if (const auto bytes = decode_base64(text)) {
        std::string again;
        append_base64(again, *bytes);
        require(again == text);
      }
      break;
    }
    case 8: {
      const auto request = parse_ids(text);
      if (!check(request)) break;
      require(!request->tasks.empty() && request->tasks.size() <= batch_tasks_max);
      require(request->given.size() == request->tasks.size());
      require(request->wait >= Micros(0) && request->wait <= outcome_wait_max);
      break;
    }
    case 9:
      check(parse_bulk(text));
      break;
    case 10:
      if (const auto place = parse_dead_token(text))
        require(*parse_dead_token(dead_token_text(*place)) == *place);
      break;
    default:
      break;
  }
  return 0;
}
