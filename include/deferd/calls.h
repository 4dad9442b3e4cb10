// Every call of /v1, described once. Client and AsyncClient inherit them and differ in what a call
// returns: Client the value, when the server has answered; AsyncClient an operation to await.
//
// A queue is its id ("mail") or its whole name (projects/P/locations/L/queues/Q). A task is its id
// or its name.
//
// Refusals are an ApiError, and no answer is an Unreachable (deferd/errors.h). Calls are made
// again, with growing pauses and at most ClientOptions::attempts times, where that is safe: reads,
// settings, adds (each task has a name), what ends or renews a lease, whatever was refused with 429
// or 503, and whatever never left. The others fail with Unreachable, whose sent() says that they
// may have been carried out.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "deferd/models.h"

namespace deferd::inline v1 {
namespace detail {

struct Answer;  // the server's JSON

struct Request {
  std::string method;
  std::string target;  // path and query
  std::string body;    // JSON, or what else the call takes; may be empty
  bool repeats = false;
  Duration waits{0};     // how long the server may take on purpose
  std::string if_taken;  // the answer, when a repeated add finds its made-up name taken
};

template <class T>
struct Call {
  Request request;
  std::function<T(const Answer&)> read;
};

Call<Queue> put_queue(std::string_view queue, const QueueSettings& settings);
Call<Queue> get_queue(std::string_view queue);
Call<Page<Queue>> list_queues(const PageRequest& page);
Call<Done> delete_queue(std::string_view queue);
Call<Queue> act_on_queue(std::string_view queue, std::string_view verb);
Call<QueueStats> get_stats(std::string_view queue);
Call<std::string> upload(std::string_view path, std::string text, bool plan);

Call<Task> add_task(std::string_view queue, const NewTask& task);
Call<std::vector<Outcome<Task>>> add_tasks(std::string_view queue,
                                           const std::vector<NewTask>& tasks);
Call<Task> get_task(std::string_view queue, std::string_view task);
Call<Page<Task>> list_tasks(std::string_view queue, std::string_view state, bool full,
                            const PageRequest& page);
Call<Done> delete_task(std::string_view queue, std::string_view task);
Call<Task> act_on_task(std::string_view queue, std::string_view task, std::string_view verb);

Call<TaskResult> get_result(std::string_view queue, std::string_view task, Duration wait);
Call<Results> get_results(std::string_view queue, const std::vector<std::string>& tasks,
                          Duration wait);

Call<std::vector<Task>> lease_tasks(std::string_view queue, const LeaseRequest& request);
Call<std::vector<Outcome<Done>>> end_leases(std::string_view queue, std::string_view verb,
                                            const std::vector<LeaseEnd>& leases,
                                            std::optional<Duration> delay, std::string_view worker);
Call<std::vector<Outcome<Task>>> renew_leases(std::string_view queue,
                                              const std::vector<LeaseEnd>& leases, Duration lease);
Call<std::vector<std::string>> watch_tasks(std::string_view queue,
                                           const std::vector<std::string>& tasks, Duration wait);

Call<Page<DeadTask>> list_dead(std::string_view queue, const DeadFilter& filter, bool full,
                               const PageRequest& page);
Call<DeadTask> get_dead(std::string_view queue, std::string_view task);
Call<Task> retry_dead(std::string_view queue, std::string_view task);
Call<Done> delete_dead(std::string_view queue, std::string_view task);
Call<DeadChange> change_dead(std::string_view queue, std::string_view verb,
                             const DeadFilter& filter, bool plan);

}  // namespace detail

template <class Face>
class Calls {
 public:
  // ---- Queues

  // Makes a queue, or changes the settings that are named.
  auto put_queue(std::string_view queue, const QueueSettings& settings = {}) {
    return run(detail::put_queue(queue, settings));
  }
  auto get_queue(std::string_view queue) { return run(detail::get_queue(queue)); }
  auto list_queues(const PageRequest& page = {}) { return run(detail::list_queues(page)); }
  // With its tasks.
  auto delete_queue(std::string_view queue) { return run(detail::delete_queue(queue)); }
  auto pause_queue(std::string_view queue) { return run(detail::act_on_queue(queue, "pause")); }
  auto resume_queue(std::string_view queue) { return run(detail::act_on_queue(queue, "resume")); }
  // Drops all its tasks.
  auto purge_queue(std::string_view queue) { return run(detail::act_on_queue(queue, "purge")); }
  auto get_stats(std::string_view queue) { return run(detail::get_stats(queue)); }
  // A queue.yaml or cron.yaml for the whole project; with `plan` nothing is changed. Gives the
  // server's JSON: what changed, or would.
  auto apply_queues(std::string text, bool plan = false) {
    return run(detail::upload("/v1/queues:apply", std::move(text), plan));
  }
  auto apply_cron(std::string text, bool plan = false) {
    return run(detail::upload("/v1/cron", std::move(text), plan));
  }

  // ---- Tasks

  // When it returns, the task is on the server's disk.
  auto add_task(std::string_view queue, const NewTask& task) {
    return run(detail::add_task(queue, task));
  }
  // 1 to 1,000, in one commit; one that is refused does not hold up the others.
  auto add_tasks(std::string_view queue, const std::vector<NewTask>& tasks) {
    return run(detail::add_tasks(queue, tasks));
  }
  // With its body and the history of its attempts.
  auto get_task(std::string_view queue, std::string_view task) {
    return run(detail::get_task(queue, task));
  }
  // `state`: as Task::state, or all. `full`: with bodies.
  auto list_tasks(std::string_view queue, std::string_view state = "", bool full = false,
                  const PageRequest& page = {}) {
    return run(detail::list_tasks(queue, state, full, page));
  }
  // What is being pushed may end.
  auto delete_task(std::string_view queue, std::string_view task) {
    return run(detail::delete_task(queue, task));
  }
  // Starts a push at once, whatever rate and pause say.
  auto run_task(std::string_view queue, std::string_view task) {
    return run(detail::act_on_task(queue, task, "run"));
  }
  // Ends it at once, also what runs; gives the task as it was.
  auto cancel_task(std::string_view queue, std::string_view task) {
    return run(detail::act_on_task(queue, task, "cancel"));
  }

  // ---- Results

  // Of a task that keeps one (NewTask::keep_result); waits up to `wait` (60 s at most) for its end.
  auto get_result(std::string_view queue, std::string_view task, Duration wait = Duration(0)) {
    return run(detail::get_result(queue, task, wait));
  }
  // Of up to 1,000: those that have ended, as soon as at least one has, or when `wait` is over.
  auto get_results(std::string_view queue, const std::vector<std::string>& tasks,
                   Duration wait = Duration(0)) {
    return run(detail::get_results(queue, tasks, wait));
  }

  // ---- Leases of pull queues

  // None when nothing was due within LeaseRequest::wait.
  auto lease_tasks(std::string_view queue, const LeaseRequest& request = {}) {
    return run(detail::lease_tasks(queue, request));
  }
  // Each ends well. After a lost answer one may be NotFound that this very call has ended.
  auto ack_tasks(std::string_view queue, const std::vector<LeaseEnd>& leases,
                 std::string_view worker = "") {
    return run(detail::end_leases(queue, "ack", leases, std::nullopt, worker));
  }
  // Each is tried again, after `delay` or the queue's backoff.
  auto release_tasks(std::string_view queue, const std::vector<LeaseEnd>& leases,
                     std::optional<Duration> delay = std::nullopt, std::string_view worker = "") {
    return run(detail::end_leases(queue, "release", leases, delay, worker));
  }
  // Each ends as failed, never to be tried again.
  auto fail_tasks(std::string_view queue, const std::vector<LeaseEnd>& leases,
                  std::string_view worker = "") {
    return run(detail::end_leases(queue, "fail", leases, std::nullopt, worker));
  }
  // Each is leased for `lease` from now. LeaseLost, or NotFound for a task that has ended.
  auto renew_leases(std::string_view queue, const std::vector<LeaseEnd>& leases,
                    Duration lease = std::chrono::minutes(1)) {
    return run(detail::renew_leases(queue, leases, lease));
  }
  // Which of these tasks live no more, as soon as there is one, or when `wait` is over.
  auto watch_tasks(std::string_view queue, const std::vector<std::string>& tasks, Duration wait) {
    return run(detail::watch_tasks(queue, tasks, wait));
  }

  // ---- Dead letters

  auto list_dead(std::string_view queue, const DeadFilter& filter = {}, bool full = false,
                 const PageRequest& page = {}) {
    return run(detail::list_dead(queue, filter, full, page));
  }
  auto get_dead(std::string_view queue, std::string_view task) {
    return run(detail::get_dead(queue, task));
  }
  // Alive again: due now, attempts from 0.
  auto retry_dead(std::string_view queue, std::string_view task) {
    return run(detail::retry_dead(queue, task));
  }
  auto delete_dead(std::string_view queue, std::string_view task) {
    return run(detail::delete_dead(queue, task));
  }
  // All that match; with `plan` they are only counted.
  auto retry_dead_matching(std::string_view queue, const DeadFilter& filter, bool plan = false) {
    return run(detail::change_dead(queue, "retry", filter, plan));
  }
  auto delete_dead_matching(std::string_view queue, const DeadFilter& filter, bool plan = false) {
    return run(detail::change_dead(queue, "delete", filter, plan));
  }

 private:
  template <class T>
  auto run(detail::Call<T> call) {
    return static_cast<Face*>(this)->run_call(std::move(call));
  }
};

}  // namespace deferd::inline v1
