#include <algorithm>
#include <limits>
#include <utility>

#include "api/appengine/door.h"
#include "api/appengine/names.h"

namespace deferd::appengine {

namespace {

std::int32_t to_int32(std::uint64_t count) {
  constexpr std::uint64_t most = std::numeric_limits<std::int32_t>::max();
  return static_cast<std::int32_t>(std::min(count, most));
}

void write_scanner(const QueueStats& stats, std::uint64_t minute, std::uint64_t hour,
                   wire::TaskQueueScannerQueueInfo& info) {
  info.set_executed_last_minute(static_cast<std::int64_t>(minute));
  info.set_executed_last_hour(static_cast<std::int64_t>(hour));
  info.set_sampling_duration_seconds(std::chrono::duration<double>(stats.kept_for).count());
  info.set_requests_in_flight(to_int32(stats.in_flight));
  info.set_enforced_rate(stats.enforced_rate);
}

}  // namespace

// Answers of several queues, gathered in the order in which they were asked.
class AppEngineDoor::StatsCall {
 public:
  explicit StatsCall(RpcReply reply) : reply_(std::move(reply)) {}

  void begin(int queues) {
    left_ = queues;
    // In their places at once, as of queues that are not there (GAE-spec 5.9).
    for (int i = 0; i < queues; ++i) {
      auto* row = response_.add_queuestats();
      row->set_num_tasks(0);
      row->set_oldest_eta_usec(-1);
    }
  }
  wire::TaskQueueFetchQueueStatsResponse::QueueStats& row(int index) {
    return *response_.mutable_queuestats(index);
  }
  void fail_with(RpcFailure failure) {
    if (!failure_) failure_ = std::move(failure);
  }
  void finish_one() {
    if (--left_ > 0) return;
    if (failure_) return reply_.send(*failure_);
    reply_.send(response_);
  }
  const std::shared_ptr<HttpThread>& thread() const { return reply_.thread(); }
  Mono good_until() const { return reply_.good_until(); }

 private:
  RpcReply reply_;
  wire::TaskQueueFetchQueueStatsResponse response_;
  std::optional<RpcFailure> failure_;
  int left_ = 0;
};

void AppEngineDoor::fetch_queue_stats(Call call,
                                      const wire::TaskQueueFetchQueueStatsRequest& request) {
  const int queues = request.queue_name_size();
  if (queues == 0) return call.reply.send(wire::TaskQueueFetchQueueStatsResponse());
  // All of it on the connection's thread.
  auto gathered = std::make_shared<StatsCall>(std::move(call.reply));
  const std::shared_ptr<HttpThread> thread = gathered->thread();
  gathered->begin(queues);
  for (int i = 0; i < queues; ++i) {
    auto queue = queue_of(call.project, options_.location, request.queue_name(i));
    if (!std::holds_alternative<QueueName>(queue)) {
      gathered->finish_one();
      continue;
    }
    GetQueueStats command;
    command.queue = std::get<QueueName>(std::move(queue));
    const QueueName name = command.queue;
    call_on(
        thread, runtime_, std::move(command),
        [this, gathered, i, name](const Result<QueueStats>& stats) {
          write_stats(gathered, i, name, stats);
        },
        gathered->good_until());
  }
}

void AppEngineDoor::write_stats(const std::shared_ptr<StatsCall>& gathered, int index,
                                const QueueName& name, const Result<QueueStats>& stats) {
  if (!stats) {
    if (!is_not_there(stats.error())) {
      gathered->fail_with(failure_of(stats.error(), name.queue));
    } else if (name.queue == default_queue) {
      const QueueSettings settings = app_engine_defaults(QueueMode::push);
      write_scanner(QueueStats{.enforced_rate = settings.rate.per_second()}, 0, 0,
                    *gathered->row(index).mutable_scanner_info());
    }
    return gathered->finish_one();
  }
  auto& row = gathered->row(index);
  row.set_num_tasks(to_int32(stats->tasks));
  if (stats->oldest_eta) row.set_oldest_eta_usec(to_micros(*stats->oldest_eta));
  // A push queue has no leases and a pull queue no pushes: an acknowledged lease is not counted a
  // second time.
  const bool pulls = stats->leased_hour > 0 || stats->leased > 0;
  write_scanner(*stats, pulls ? stats->leased_minute : stats->executed_minute,
                pulls ? stats->leased_hour : stats->executed_hour, *row.mutable_scanner_info());
  gathered->finish_one();
}

}  // namespace deferd::appengine
