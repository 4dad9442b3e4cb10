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
    call_on(thread, runtime_, std::move(command),
            [this, gathered, i, name](const Result<QueueStats>& stats) {
              write_stats(gathered, i, name, stats);
            });
  }
}

void AppEngineDoor::write_stats(const std::shared_ptr<StatsCall>& gathered, int index,
                                const QueueName& name, const Result<QueueStats>& stats) {
  if (!stats) {
    const Reason reason = stats.error().reason;
    if (reason != Reason::queue_missing && reason != Reason::queue_gone) {
      gathered->fail_with(failure_of(stats.error(), name.queue));
    }
    return gathered->finish_one();
  }
  auto& row = gathered->row(index);
  row.set_num_tasks(to_int32(stats->tasks));
  auto* scanner = row.mutable_scanner_info();
  scanner->set_executed_last_minute(static_cast<std::int64_t>(stats->executed_minute));
  scanner->set_executed_last_hour(static_cast<std::int64_t>(stats->executed_hour));
  scanner->set_sampling_duration_seconds(
      std::chrono::duration<double>(clock_.now().mono - started_).count());
  scanner->set_requests_in_flight(to_int32(stats->in_flight));
  scanner->set_enforced_rate(stats->enforced_rate);
  gathered->finish_one();
}

}  // namespace deferd::appengine
