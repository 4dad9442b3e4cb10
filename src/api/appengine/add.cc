// Add and BulkAdd (GAE-spec 5.2): first every task is checked for itself; one that is wrong skips
// all the others. Then all of them go to the engine as one command, which is one commit, and there
// only a name that is taken stands alone.
#include <unordered_set>
#include <utility>

#include "api/appengine/add_check.h"
#include "api/appengine/door.h"
#include "base/log.h"

namespace deferd::appengine {
namespace {

using AddRequest = wire::TaskQueueAddRequest;

constexpr std::size_t transactional_bytes_max = 1 << 20;
constexpr int transactional_tasks_max = 5;
constexpr ErrorCode datastore_bad_request = static_cast<ErrorCode>(Service::DATASTORE_ERROR + 1);

bool is_transactional(const AddRequest& request) {
  return request.has_transaction() || request.has_datastore_transaction();
}

// Steps 3 and 4: what the requests of one batch have in common.
std::optional<RpcFailure> check_common(std::span<const AddRequest* const> requests) {
  const AddRequest& first = *requests.front();
  if (first.queue_name().empty()) {
    return refusal(Service::UNKNOWN_QUEUE, "queue_name is empty; \"default\" is always there");
  }
  for (const AddRequest* request : requests) {
    const char* differs = nullptr;
    if (request->queue_name() != first.queue_name()) differs = "queue_name";
    if (request->mode() != first.mode()) differs = "mode";
    if (request->app_id() != first.app_id()) differs = "app_id";
    if (request->transaction() != first.transaction() ||
        request->datastore_transaction() != first.datastore_transaction()) {
      differs = "transaction";
    }
    if (differs != nullptr) {
      return refusal(Service::INVALID_REQUEST,
                     std::string("the tasks of one call differ in their ") + differs +
                         "; send them in calls of their own");
    }
  }
  return std::nullopt;
}

// Whoever has told App Engine that a task stands or falls with a transaction must not find out
// later that it did not (GAE-spec 5.4).
std::optional<RpcFailure> check_transaction(std::span<const AddRequest* const> requests,
                                            AppEngineDoorOptions::Transactional setting) {
  if (setting == AppEngineDoorOptions::Transactional::reject) {
    return refusal(datastore_bad_request,
                   "deferd has no part in transactions of the datastore, so it cannot add tasks "
                   "with one; add them after the commit, or set transactional_tasks to "
                   "\"immediate\" to have them added at once");
  }
  if (requests.size() > transactional_tasks_max) {
    return refusal(datastore_bad_request,
                   "Too many messages, maximum allowed " + std::to_string(transactional_tasks_max));
  }
  std::size_t bytes = 0;
  for (const AddRequest* request : requests) bytes += request->ByteSizeLong();
  if (bytes > transactional_bytes_max) {
    return refusal(Service::TRANSACTIONAL_REQUEST_TOO_LARGE,
                   "the tasks of one transaction are " + std::to_string(bytes) +
                       " bytes; at most " + std::to_string(transactional_bytes_max) +
                       " are accepted");
  }
  log_warn("appengine.transactional_add", {{"queue", requests.front()->queue_name()},
                                           {"effect", "added without its transaction"}});
  return std::nullopt;
}

}  // namespace

// One call's tasks, on their way.
class AppEngineDoor::Adding {
 public:
  Adding(QueueName queue, QueueMode mode, bool bulk)
      : queue(std::move(queue)), mode(mode), bulk(bulk) {}

  // Steps 5 and 6. What is given stays alive for this call only.
  void check(std::span<const AddRequest* const> requests, const AddRules& rules) {
    checks.reserve(requests.size());
    std::unordered_set<std::string_view> names;
    for (const AddRequest* request : requests) {
      AddCheck& one = checks.emplace_back(check_add(*request, rules));
      named.push_back(!request->task_name().empty());
      if (one.code == Service::OK && named.back() && !names.insert(request->task_name()).second) {
        one.code = Service::DUPLICATE_TASK_NAME;
        one.detail = "another task of this call has this name";
      }
      any_failed = any_failed || one.code != Service::OK;
    }
  }

  // Step 7, for a queue that is there (OK) or not: nothing was added.
  void finish_refused(RpcReply reply, ErrorCode queue_code) {
    for (AddCheck& one : checks) {
      if (queue_code != Service::OK && !one.before_queue) one.code = queue_code;
      if (one.code == Service::OK) one.code = Service::SKIPPED;
    }
    finish(std::move(reply), {});
  }

  // The answer: a result for each task. `added` holds the engine's for those whose code is OK.
  void finish(RpcReply reply, const std::vector<Result<Task>>& added) {
    if (!bulk) return finish_one(std::move(reply), added);
    wire::TaskQueueBulkAddResponse response;
    for (std::size_t i = 0; i < checks.size(); ++i) {
      auto* result = response.add_taskresult();
      result->set_result(checks[i].code);
      if (i >= added.size()) continue;
      if (!added[i]) {
        result->set_result(code_of(added[i].error().reason).value_or(Service::INTERNAL_ERROR));
      } else if (!named[i]) {
        result->set_chosen_task_name(to_string(added[i]->id));
      }
    }
    reply.send(response);
  }

  const QueueName queue;
  const QueueMode mode;
  const bool bulk;
  std::vector<AddCheck> checks;
  std::vector<bool> named;
  bool any_failed = false;
  bool made_queue = false;

 private:
  void finish_one(RpcReply reply, const std::vector<Result<Task>>& added) {
    const AddCheck& one = checks.front();
    if (one.code == Service::UNKNOWN_QUEUE) return reply.send(unknown_queue(queue.queue));
    if (one.code != Service::OK) return reply.send(refusal(one.code, one.detail));
    const Result<Task>& task = added.front();
    if (!task) return reply.send(failure_of(task.error(), queue.queue));
    wire::TaskQueueAddResponse response;
    if (!named.front()) response.set_chosen_task_name(to_string(task->id));
    reply.send(response);
  }
};

void AppEngineDoor::add(Call call, const AddRequest& request) {
  const AddRequest* const one[] = {&request};
  add_all(std::move(call.reply), call.project, one, false);
}

void AppEngineDoor::bulk_add(Call call, const wire::TaskQueueBulkAddRequest& request) {
  if (request.add_request_size() == 0) {
    return call.reply.send(wire::TaskQueueBulkAddResponse());
  }
  std::vector<const AddRequest*> all;
  all.reserve(static_cast<std::size_t>(request.add_request_size()));
  for (const AddRequest& one : request.add_request()) all.push_back(&one);
  add_all(std::move(call.reply), call.project, all, true);
}

void AppEngineDoor::add_all(RpcReply reply, const std::string& project,
                            std::span<const AddRequest* const> requests, bool bulk) {
  if (auto failure = check_common(requests)) return reply.send(*failure);
  const AddRequest& first = *requests.front();
  if (is_transactional(first)) {
    if (auto failure = check_transaction(requests, options_.transactional_tasks)) {
      return reply.send(*failure);
    }
  }
  // A name with other characters is refused per task, below; no queue has the one it stands for.
  auto queue = QueueName::parse(project, options_.location,
                                is_queue_name(first.queue_name()) ? first.queue_name() : "_");
  if (!queue) return reply.send(refusal(Service::INVALID_REQUEST, queue.error().message));
  Adding adding(std::move(*queue),
                first.mode() == wire::TaskQueueMode::PULL ? QueueMode::pull : QueueMode::push,
                bulk);
  adding.check(requests, {.strict = options_.strict,
                          .task_bytes_max = options_.task_bytes_max,
                          .now = clock_.now().wall});
  if (adding.any_failed) return refuse_batch(std::move(reply), std::move(adding));
  submit_batch(std::move(reply), std::move(adding));
}

// Whether the queue is there decides what some of the tasks are told.
void AppEngineDoor::refuse_batch(RpcReply reply, Adding adding) {
  bool asks = false;
  for (const AddCheck& one : adding.checks) asks = asks || !one.before_queue;
  if (!asks || is_made_by_add(adding.queue.queue)) {
    return adding.finish_refused(std::move(reply), Service::OK);
  }
  GetQueue command;
  command.queue = adding.queue;
  submit(std::move(command), std::move(reply),
         [adding = std::move(adding)](RpcReply reply, const Result<QueueInfo>& info) mutable {
           ErrorCode code = Service::OK;
           if (!info) {
             if (!is_not_there(info.error())) {
               return reply.send(failure_of(info.error(), adding.queue.queue));
             }
             code = *code_of(info.error().reason);
           }
           adding.finish_refused(std::move(reply), code);
         });
}

void AppEngineDoor::submit_batch(RpcReply reply, Adding adding) {
  AddTasks command;
  command.queue = adding.queue;
  command.tasks.reserve(adding.checks.size());
  // Copied, as they may have to come again when the queue was made: payloads are shared.
  for (const AddCheck& one : adding.checks) command.tasks.push_back(one.task);
  submit(std::move(command), std::move(reply),
         [this, adding = std::move(adding)](
             RpcReply reply, const Result<std::vector<Result<Task>>>& added) mutable {
           if (!added) {
             const Error& error = added.error();
             if (error.reason == Reason::queue_missing && !adding.made_queue &&
                 is_made_by_add(adding.queue.queue)) {
               return make_queue_and_add(std::move(reply), std::move(adding));
             }
             if (error.reason == Reason::queue_missing || error.reason == Reason::queue_gone) {
               return adding.finish_refused(std::move(reply), *code_of(error.reason));
             }
             return reply.send(failure_of(error, adding.queue.queue));
           }
           // Of what the door has checked the engine can find only one thing wrong: the queue's
           // mode, for all of them.
           std::size_t wrong_mode = 0;
           const Error* full = nullptr;
           std::size_t stored = 0;
           for (const Result<Task>& one : *added) {
             if (one) {
               ++stored;
             } else if (one.error().reason == Reason::invalid) {
               ++wrong_mode;
             } else if (one.error().reason == Reason::project_full) {
               full = &one.error();
             }
           }
           if (wrong_mode == added->size()) {
             return reply.send(refusal(
                 Service::INVALID_QUEUE_MODE,
                 "queue \"" + adding.queue.queue + "\" is a " +
                     (adding.mode == QueueMode::pull ? "push queue and takes no PULL tasks"
                                                     : "pull queue and takes PULL tasks only")));
           }
           // Told for the whole call when it is true of the whole call.
           if (full != nullptr && stored == 0)
             return reply.send(failure_of(*full, adding.queue.queue));
           adding.finish(std::move(reply), *added);
         });
}

void AppEngineDoor::make_queue_and_add(RpcReply reply, Adding adding) {
  adding.made_queue = true;
  const QueueName queue = adding.queue;
  // `default` is a push queue whoever comes first (GAE-spec 5.5).
  const QueueMode mode = queue.queue == default_queue ? QueueMode::push : adding.mode;
  make_queue(queue, mode, std::move(reply),
             [this, adding = std::move(adding)](
                 RpcReply late_reply, const Result<ConfigureQueue::Answer>& made) mutable {
               if (!made) {
                 return late_reply.send(failure_of(made.error(), adding.queue.queue));
               }
               submit_batch(std::move(late_reply), std::move(adding));
             });
}

}  // namespace deferd::appengine
