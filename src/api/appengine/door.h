// The App Engine door from inside: one member function an RPC, found through one table (door.cc).
// What comes before it is the same for all: the envelope, who calls, the method's own message, the
// application that it is about. What is checked of an add is pure (add_check.h).
//
// All of it runs on the threads of the HTTP server, several at a time; the door itself never
// changes.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/appengine/appengine.h"
#include "api/appengine/envelope.h"
#include "api/appengine/errors.h"
#include "api/appengine/names.h"
#include "api/appengine/rpc_reply.h"
#include "api/http/call.h"
#include "model/appengine_defaults.h"

namespace deferd::appengine {

class AppEngineDoor final : public HttpHandler {
 public:
  AppEngineDoor(AppEngineDoorOptions options, Runtime& runtime, const Clock& clock);

  void handle(const HttpRequest& request, HttpReply reply) override;
  std::optional<HttpResponse> too_large(const HttpRequest& head) override;

 private:
  struct Identity {
    std::string app;       // that speaks when the call names none
    CallerPointer caller;  // null: authentication is off
  };
  // What an RPC gets. Its request is gone when it returns.
  struct Call {
    RpcReply reply;
    Identity identity;
    Permissions needs;
    std::string project;  // of the application that the call is about
  };
  struct Method {
    std::string_view name;
    void (AppEngineDoor::*run)(Call call, std::string_view request);
    Permissions needs;  // of the project of the application; a ticket's never include what App
                        // Engine keeps for its console and its deployment tools
  };
  static const Method methods[];

  void rpc(const HttpRequest& request, HttpReply reply, Face face);
  Result<Identity> identify(const HttpRequest& request, std::string_view ticket) const;

  // Decodes `request` and goes on with `run`, for the application that it names.
  template <class Request, auto run>
  void with(Call call, std::string_view request);

  // add.cc
  void add(Call call, const wire::TaskQueueAddRequest& request);
  void bulk_add(Call call, const wire::TaskQueueBulkAddRequest& request);
  class Adding;
  void add_all(RpcReply reply, const std::string& project,
               std::span<const wire::TaskQueueAddRequest* const> requests, bool bulk);
  void refuse_batch(RpcReply reply, Adding adding);
  void submit_batch(RpcReply reply, Adding adding);
  void make_queue_and_add(RpcReply reply, Adding adding);
  // tasks.cc
  void delete_tasks(Call call, const wire::TaskQueueDeleteRequest& request);
  class Deleting;
  void delete_next(RpcReply reply, std::unique_ptr<Deleting> deleting);
  // query.cc
  void query_tasks(Call call, const wire::TaskQueueQueryTasksRequest& request);
  class Query;
  void query_next(RpcReply reply, std::shared_ptr<Query> query);
  void fetch_task(Call call, const wire::TaskQueueFetchTaskRequest& request);
  void force_run(Call call, const wire::TaskQueueForceRunRequest& request);
  // leases.cc
  void query_and_own_tasks(Call call, const wire::TaskQueueQueryAndOwnTasksRequest& request);
  void modify_task_lease(Call call, const wire::TaskQueueModifyTaskLeaseRequest& request);
  void refuse_lease(RpcReply reply, const QueueName& queue, bool paused_matters,
                    RpcFailure failure);
  // queues.cc
  void purge_queue(Call call, const wire::TaskQueuePurgeQueueRequest& request);
  void pause_queue(Call call, const wire::TaskQueuePauseQueueRequest& request);
  void update_queue(Call call, const wire::TaskQueueUpdateQueueRequest& request);
  void fetch_queues(Call call, const wire::TaskQueueFetchQueuesRequest& request);
  void delete_queue(Call call, const wire::TaskQueueDeleteQueueRequest& request);
  void delete_group(Call call, const wire::TaskQueueDeleteGroupRequest& request);
  void delete_all(RpcReply reply, std::string project, std::vector<QueueInfo> queues);
  void update_storage_limit(Call call, const wire::TaskQueueUpdateStorageLimitRequest& request);
  Micros tombstone_of(const QueueName& queue) const;
  // stats.cc
  void fetch_queue_stats(Call call, const wire::TaskQueueFetchQueueStatsRequest& request);
  class StatsCall;
  void write_stats(const std::shared_ptr<StatsCall>& gathered, int index, const QueueName& name,
                   const Result<QueueStats>& stats);

  // Whether an add makes this queue when it is not there.
  bool is_made_by_add(std::string_view queue) const {
    return options_.auto_create_queues || queue == default_queue;
  }
  // Makes the queue as `mode` says unless it is there; `then(RpcReply, Result<Answer>)`.
  template <class Then>
  void make_queue(const QueueName& queue, QueueMode mode, RpcReply reply, Then then) {
    ConfigureQueue command;
    command.queue = queue;
    command.change = [mode, timeout = options_.attempt_timeout](
                         const QueueSettings* there) -> Result<QueueSettings> {
      if (there != nullptr) return *there;
      QueueSettings settings = app_engine_defaults(mode);
      settings.timeout = timeout;
      return settings;
    };
    submit(std::move(command), std::move(reply), std::move(then));
  }

  // `then(RpcReply, Result<T>)` owes the answer.
  template <class Command, class Then>
  void submit(Command command, RpcReply reply, Then then) {
    std::shared_ptr<HttpThread> thread = reply.thread();
    const Mono good_until = reply.good_until();
    call_on(
        std::move(thread), runtime_, std::move(command),
        [reply = std::move(reply), then = std::move(then)](auto result) mutable {
          then(std::move(reply), std::move(result));
        },
        good_until);
  }
  // The same for one queue: `fill(Command&)` says the rest, and may be asked twice, since the queue
  // `default` is made when it is first used (GAE-spec 5.5).
  template <class Command, class Fill, class Then>
  void submit_to(const QueueName& queue, Fill fill, RpcReply reply, Then then) {
    Command command;
    command.queue = queue;
    fill(command);
    if (queue.queue != default_queue) {
      return submit(std::move(command), std::move(reply), std::move(then));
    }
    submit(std::move(command), std::move(reply),
           [this, queue, fill = std::move(fill), then = std::move(then)](RpcReply late_reply,
                                                                         auto result) mutable {
             if (result || result.error().reason != Reason::queue_missing) {
               return then(std::move(late_reply), std::move(result));
             }
             make_queue(queue, QueueMode::push, std::move(late_reply),
                        [this, queue, fill = std::move(fill), then = std::move(then)](
                            RpcReply last_reply, const Result<ConfigureQueue::Answer>& made) {
                          if (!made) {
                            return last_reply.send(failure_of(made.error(), queue.queue));
                          }
                          Command again;
                          again.queue = queue;
                          fill(again);
                          submit(std::move(again), std::move(last_reply), then);
                        });
           });
  }

  const AppEngineDoorOptions options_;
  Runtime& runtime_;
  const Clock& clock_;
};

}  // namespace deferd::appengine
