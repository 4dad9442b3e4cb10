// Requests of /v1 as values: bodies and queries parsed and checked, with nothing of the state of a
// queue. All of it is pure, and takes any bytes: requests_fuzz.cc runs every function here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "engine/commands.h"
#include "model/queue_settings.h"

namespace deferd::native {

struct TaskLimits {
  std::uint64_t task_bytes_max = 1 << 20;  // encoded
  Wall now{};                              // what an ETA is measured from
};

constexpr std::size_t task_headers_max = 100;
constexpr Micros attempt_timeout_min = Millis(1);
constexpr Micros attempt_timeout_max = std::chrono::hours(24);

// ---- Queues (parse_queue.cc)

// The members that a PUT named; the others keep their value, or get the default of a new queue.
struct QueueChange {
  std::optional<QueueMode> mode;
  std::optional<Rate> rate;
  std::optional<std::int32_t> burst;
  std::optional<std::int32_t> concurrency;
  std::optional<Micros> timeout;
  std::optional<std::uint8_t> priority;
  RetryOverride retry;
  std::optional<std::uint64_t> max_tasks;
  std::optional<std::uint64_t> max_bytes;
  std::optional<Micros> tombstone;
  std::optional<Micros> task_ttl;
  std::optional<Micros> dead_keep;
  std::optional<std::uint64_t> dead_bytes_max;
  std::optional<std::string> dead_queue;
  std::optional<std::int32_t> poison_after;
  std::optional<std::int32_t> history;
  std::optional<std::uint64_t> result_bytes_max;

  // Over `current`; null: there is no such queue yet.
  Result<QueueSettings> over(const QueueSettings* current) const;

  friend bool operator==(const QueueChange&, const QueueChange&) = default;
};

Result<QueueChange> parse_queue_change(std::string_view body);

// ---- Tasks (parse_task.cc)

Result<NewTask> parse_task(std::string_view body, const TaskLimits& limits);

// A task of a batch fails alone; the batch as a whole fails when it is no batch.
Result<std::vector<Result<NewTask>>> parse_task_batch(std::string_view body,
                                                      const TaskLimits& limits);

// ---- Pull (parse_lease.cc)

struct LeaseRequest {
  std::uint32_t tasks_max = 1;
  Micros duration = Seconds(60);
  LeaseTasks::By by = LeaseTasks::By::any;
  std::string key;
  Micros wait{0};
  std::string worker;
};
Result<LeaseRequest> parse_lease(std::string_view body);

struct LeasesRequest {
  std::vector<Lease> leases;    // with reports, but for :renew
  std::optional<Micros> lease;  // :renew
  std::optional<Micros> delay;  // :release
};
enum class LeaseCall : std::uint8_t { ack, renew, release, fail };
Result<LeasesRequest> parse_leases(std::string_view body, LeaseCall call);

// ---- Outcomes and dead letters (parse_ids.cc, parse_dead.cc)

// {"ids":[..],"wait":..} of :results and :watch.
struct IdsRequest {
  std::vector<std::string> given;  // as written
  std::vector<TaskRef> tasks;      // the same, parsed
  Micros wait{0};
};
Result<IdsRequest> parse_ids(std::string_view body);

struct BulkRequest {
  DeadFilter filter;
  bool plan = false;  // only count
};
Result<BulkRequest> parse_bulk(std::string_view body);

// A filter of dead letters by its name in a query; false: there is none of this name.
Result<bool> set_filter(DeadFilter& filter, std::string_view name, std::string_view text);

// Where a page of dead letters ended, as its next_page_token.
std::string dead_token_text(const Place& place);
std::optional<Place> parse_dead_token(std::string_view text);

// Calls without members: no body, or an empty object.
Result<void> parse_nothing(std::string_view body);

// 16 hex digits. A lease token is a number for the engine and text for everybody else, since JSON's
// numbers end at 2^53.
std::string lease_token_text(std::uint64_t token);
std::optional<std::uint64_t> parse_lease_token(std::string_view text);

// ---- Queries (parse_query.cc)

struct PageQuery {
  std::uint32_t page_size = 100;
  std::string page_token;
  std::optional<TaskState> state;
  bool full = false;  // view=full: with bodies
  bool plan = false;  // plan=true: only say what would be done
  std::string app;    // appId=, or app_id= as older tools wrote it
  Micros wait{0};
  bool history = false;
  DeadFilter dead;
};
// Which of them a call knows; others are refused.
struct PageQueryKnows {
  bool page = false;
  bool state = false;
  bool view = false;
  bool plan = false;
  bool result = false;  // wait, history
  bool dead = false;    // the filters of dead letters
  bool app = false;     // then what else App Engine's tools send (version, timestamp) is ignored
};
Result<PageQuery> parse_page_query(std::string_view query, PageQueryKnows knows);

std::string_view to_string(TaskState state);

}  // namespace deferd::native
