// The native door from inside: one member function an endpoint, found through one table (door.cc).
// Each is three thin layers: parse (requests.h, pure), submit (call.h), write the answer
// (answers.h).
//
// All of it runs on the threads of the HTTP server, several at a time; the door itself never
// changes.
#pragma once

#include <string>
#include <string_view>

#include "api/native/native.h"
#include "api/native/requests.h"
#include "api/native/route.h"

namespace deferd {
struct QueueUpload;
}

namespace deferd::native {

class NativeDoor final : public HttpHandler {
 public:
  NativeDoor(NativeDoorOptions options, Runtime& runtime, const Clock& clock);

  void handle(const HttpRequest& request, HttpReply reply) override;

 private:
  // What an endpoint gets. `request` is gone when the endpoint returns.
  struct Call {
    const HttpRequest& request;
    Route route;
    PageQuery query;
    HttpReply reply;
  };
  struct Endpoint {
    Resource resource;
    std::string_view method;
    void (NativeDoor::*run)(Call call);
    PageQueryKnows query;
    Permissions needs;  // of the queue, else the project, else the server that the path names
  };
  static const Endpoint endpoints[];

  // authorize.cc: runs the endpoint if its caller may.
  void authorize(const Endpoint& endpoint, Call call);
  void authorize_by_policy(const Endpoint& endpoint, Call call, CallerPointer caller,
                           Permissions needs);

  // server_pages.cc
  void healthz(Call call);
  void readyz(Call call);
  void metrics(Call call);
  void config(Call call);
  // queues.cc
  void list_queues(Call call);
  void put_queue(Call call);
  void get_queue(Call call);
  void delete_queue(Call call);
  void pause_queue(Call call);
  void resume_queue(Call call);
  void purge_queue(Call call);
  void queue_stats(Call call);
  void set_queue_state(Call call, QueueState state);
  // queue_uploads.cc
  void apply_queues(Call call);
  void update_app_engine_queues(Call call);
  void upload_queues(Call call, QueueUpload upload);
  Result<std::string> application_of(const PageQuery& query) const;
  // cron.cc
  void list_cron(Call call);
  void apply_cron(Call call);
  // tasks.cc
  void add_task(Call call);
  void add_tasks(Call call);
  void list_tasks(Call call);
  void get_task(Call call);
  void delete_task(Call call);
  void run_task(Call call);
  // leases.cc
  void lease_tasks(Call call);
  void ack_tasks(Call call);
  void renew_leases(Call call);
  void release_tasks(Call call);
  void fail_tasks(Call call);
  void end_tasks(Call call, LeaseCall how);
  // outcomes.cc
  void get_result(Call call);
  void get_results(Call call);
  void watch_tasks(Call call);
  void cancel_task(Call call);
  // dead.cc
  void list_dead(Call call);
  void get_dead(Call call);
  void retry_dead_task(Call call);
  void delete_dead_task(Call call);
  void retry_dead(Call call);
  void delete_dead(Call call);
  void walk_dead(Call call, bool retries);

  TaskLimits limits() const;

  const NativeDoorOptions options_;
  Runtime& runtime_;
  const Clock& clock_;
};

// The answer to a call that failed. A missing queue is told with how to make it.
void send_error(HttpReply reply, Error error, const QueueAddress& queue);
void send_json(HttpReply reply, int status, std::string body);

}  // namespace deferd::native
