// QueryTasks, FetchTask, ForceRun (GAE-spec 5.11).
//
// App Engine's order among tasks of one ETA is that of their names, the engine's is that in which
// they were placed. So a query walks the engine's list, page by page, and keeps the rows that come
// first in App Engine's order; it ends where no better one can follow. By name that is the whole
// queue: this is what a console asks for, not what an application does.
#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "api/appengine/door.h"
#include "api/appengine/names.h"
#include "api/appengine/task_row.h"

namespace deferd::appengine {
namespace {

constexpr std::int32_t rows_max = 1000;
// Of one answer. Java's clients take 33 MiB; a query that is cut here goes on where it ended.
constexpr std::size_t answer_bytes_max = 30 << 20;
// At most 1 MiB a task by default, and the engine gives up to list_bytes_max at once.
constexpr std::uint32_t page_tasks_max = 50;

}  // namespace

class AppEngineDoor::Query {
 public:
  enum class Order : std::uint8_t { name, eta, tag };
  // Where a task stands. Members that the order does not look at are left empty.
  struct At {
    std::string tag;
    std::int64_t eta = 0;
    std::string name;

    friend auto operator<=>(const At&, const At&) = default;
  };

  Query(QueueName name, const wire::TaskQueueQueryTasksRequest& request)
      : queue(std::move(name)), rows_(std::min(request.max_rows(), rows_max)) {
    start_.name = request.start_task_name();
    if (request.has_start_tag()) {
      order = Order::tag;
      start_.tag = request.start_tag();
    } else if (request.has_start_eta_usec()) {
      order = Order::eta;
    }
    if (order != Order::name) start_.eta = request.start_eta_usec();
    next_eta = Wall::min();
    if (order != Order::name && request.has_start_eta_usec())
      next_eta = wall_from_micros(start_.eta);
    next_tag = start_.tag;
  }

  // The next page of the engine's list.
  void fill(ListTasksByEta& command) const {
    command.queue = queue;
    command.eta = next_eta;
    command.order = next_order;
    if (order == Order::tag) command.key = next_tag;
    command.tasks_max = page_tasks;
  }
  void fill(ListTasks& command) const {
    command.queue = queue;
    command.after = after_;
    command.tasks_max = page_tasks;
  }

  // True: all that can be in the answer has been seen.
  bool take(const std::vector<TaskInfo>& page) {
    for (const TaskInfo& info : page) keep(info);
    if (page.size() < page_tasks) return true;
    const Task& last = page.back().task;
    next_eta = last.place.eta;
    next_order = last.place.order + 1;
    next_tag = last.key();
    if (!is_full()) return false;
    // What follows has this tag and ETA or later ones, whatever its name.
    const At& worst = kept_.rbegin()->first;
    return std::tie(worst.tag, worst.eta) < std::tuple(tag_of(last), to_micros(last.place.eta));
  }
  bool take(const ListTasks::Answer& page) {
    for (const TaskInfo& info : page.tasks) keep(info);
    if (!page.next) return true;
    after_ = *page.next;
    return false;
  }

  void finish(RpcReply reply) const {
    wire::TaskQueueQueryTasksResponse response;
    for (const auto& [at, info] : kept_) write_task(info, *response.add_task());
    reply.send(response);
  }

  const QueueName queue;
  Order order = Order::name;
  std::uint32_t page_tasks = page_tasks_max;
  Wall next_eta{};
  std::uint64_t next_order = 0;
  std::string next_tag;

 private:
  std::string tag_of(const Task& task) const {
    return order == Order::tag ? std::string(task.key()) : std::string();
  }
  bool is_full() const { return was_cut_ || kept_.size() >= static_cast<std::size_t>(rows_); }

  void keep(const TaskInfo& info) {
    At at{tag_of(info.task), order == Order::name ? 0 : to_micros(info.task.place.eta),
          name_of(info.task)};
    if (at < start_ || (is_full() && !kept_.empty() && at > kept_.rbegin()->first)) return;
    // A task that moved during the walk may be met twice; its later state counts.
    const auto [place, fresh] = kept_.insert_or_assign(std::move(at), info);
    if (!fresh) return;
    bytes_ += info.task.bytes;
    while (kept_.size() > 1 &&
           (kept_.size() > static_cast<std::size_t>(rows_) || bytes_ > answer_bytes_max)) {
      was_cut_ = true;  // from here on only what comes before the last row fits
      const auto last = std::prev(kept_.end());
      bytes_ -= last->second.task.bytes;
      kept_.erase(last);
    }
  }

  const std::int32_t rows_;
  At start_;
  TaskId after_{};
  std::map<At, TaskInfo> kept_;
  std::size_t bytes_ = 0;
  bool was_cut_ = false;
};

void AppEngineDoor::query_tasks(Call call, const wire::TaskQueueQueryTasksRequest& request) {
  auto queue = queue_of(call.project, options_.location, request.queue_name());
  if (const auto* failure = std::get_if<RpcFailure>(&queue)) return call.reply.send(*failure);
  if (request.max_rows() < 1) {
    return call.reply.send(
        refusal(Service::INVALID_REQUEST,
                "max_rows is " + std::to_string(request.max_rows()) + "; give 1 to 1000"));
  }
  query_next(std::move(call.reply),
             std::make_shared<Query>(std::get<QueueName>(std::move(queue)), request));
}

void AppEngineDoor::query_next(RpcReply reply, std::shared_ptr<Query> query) {
  const auto then = [this, query](RpcReply late_reply, const auto& page) {
    if (!page) {
      if (page.error().reason == Reason::too_large && query->page_tasks > 1) {
        query->page_tasks /= 2;  // tasks are larger here than they usually are
        return query_next(std::move(late_reply), query);
      }
      return late_reply.send(failure_of(page.error(), query->queue.queue));
    }
    if (query->take(*page)) return query->finish(std::move(late_reply));
    query_next(std::move(late_reply), query);
  };
  if (query->order == Query::Order::name) {
    submit_to<ListTasks>(
        query->queue, [query](ListTasks& command) { query->fill(command); }, std::move(reply),
        then);
  } else {
    submit_to<ListTasksByEta>(
        query->queue, [query](ListTasksByEta& command) { query->fill(command); }, std::move(reply),
        then);
  }
}

void AppEngineDoor::fetch_task(Call call, const wire::TaskQueueFetchTaskRequest& request) {
  auto queue = queue_of(call.project, options_.location, request.queue_name());
  if (const auto* failure = std::get_if<RpcFailure>(&queue)) return call.reply.send(*failure);
  const QueueName& name = std::get<QueueName>(queue);
  auto ref = parse_task_ref(request.task_name());
  if (!ref) return call.reply.send(refusal(Service::UNKNOWN_TASK, "no task can have this name"));
  submit_to<GetTask>(
      name, [task = std::move(*ref)](GetTask& command) { command.task = task; },
      std::move(call.reply),
      [name](RpcReply reply, const Result<TaskInfo>& info) {
        if (!info) return reply.send(failure_of(info.error(), name.queue));
        wire::TaskQueueFetchTaskResponse response;
        write_task(*info, *response.mutable_task()->add_task());
        reply.send(response);
      });
}

// What the task is told stands in the answer; only what concerns the server fails the call.
void AppEngineDoor::force_run(Call call, const wire::TaskQueueForceRunRequest& request) {
  const auto answer = [](RpcReply reply, ErrorCode code) {
    wire::TaskQueueForceRunResponse response;
    response.set_result(code);
    reply.send(response);
  };
  auto queue = queue_of(call.project, options_.location, request.queue_name());
  if (const auto* failure = std::get_if<RpcFailure>(&queue)) {
    return answer(std::move(call.reply), static_cast<ErrorCode>(failure->code));
  }
  const QueueName& name = std::get<QueueName>(queue);
  auto ref = parse_task_ref(request.task_name());
  if (!ref) return answer(std::move(call.reply), Service::UNKNOWN_TASK);
  submit_to<RunTask>(
      name, [task = std::move(*ref)](RunTask& command) { command.task = task; },
      std::move(call.reply),
      [name, answer](RpcReply reply, const Result<TaskInfo>& info) {
        if (info) return answer(std::move(reply), Service::OK);
        switch (info.error().reason) {
          case Reason::queue_missing:
          case Reason::queue_gone:
          case Reason::queue_mode:
          case Reason::task_missing:
          case Reason::task_gone:
            return answer(std::move(reply), *code_of(info.error().reason));
          default:
            return reply.send(failure_of(info.error(), name.queue));
        }
      });
}

}  // namespace deferd::appengine
