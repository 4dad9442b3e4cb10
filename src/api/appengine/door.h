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
#include "api/appengine/rpc_reply.h"
#include "api/http/call.h"

namespace deferd::appengine {

class AppEngineDoor final : public HttpHandler {
 public:
  AppEngineDoor(AppEngineDoorOptions options, Runtime& runtime, const Clock& clock);

  void handle(const HttpRequest& request, HttpReply reply) override;

 private:
  // What an RPC gets. Its request is gone when it returns.
  struct Call {
    RpcReply reply;
    AppEngineCaller caller;
    std::string project;  // of the application that the call is about
  };
  struct Method {
    std::string_view name;
    void (AppEngineDoor::*run)(Call call, std::string_view request);
    bool admin;  // what App Engine keeps for its console and its deployment tools
  };
  static const Method methods[];

  void rpc(const HttpRequest& request, HttpReply reply, Face face);
  Result<AppEngineCaller> identify(std::string_view ticket) const;

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
  // queues.cc
  void purge_queue(Call call, const wire::TaskQueuePurgeQueueRequest& request);
  // stats.cc
  void fetch_queue_stats(Call call, const wire::TaskQueueFetchQueueStatsRequest& request);
  class StatsCall;
  void write_stats(const std::shared_ptr<StatsCall>& gathered, int index, const QueueName& name,
                   const Result<QueueStats>& stats);

  // Whether an add makes this queue when it is not there.
  bool is_made_by_add(std::string_view queue) const {
    return options_.auto_create_queues || queue == "default";
  }
  // `then(HttpReply.., Result<T>)` as call(), with the reply of an RPC.
  template <class Command, class Then>
  void submit(Command command, RpcReply reply, Then then) {
    std::shared_ptr<HttpThread> thread = reply.thread();
    call_on(std::move(thread), runtime_, std::move(command),
            [reply = std::move(reply), then = std::move(then)](auto result) mutable {
              then(std::move(reply), std::move(result));
            });
  }

  const AppEngineDoorOptions options_;
  Runtime& runtime_;
  const Clock& clock_;
  const Mono started_;
};

}  // namespace deferd::appengine
