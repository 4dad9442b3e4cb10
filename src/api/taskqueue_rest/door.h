// The door from inside: one member function a method of the API, found through one table (door.cc).
// Each parses what it was sent, asks for the queue (a pull queue, and one that the caller may use),
// submits its command and writes the answer.
//
// All of it runs on the threads of the HTTP server, several at a time; the door itself never
// changes.
#pragma once

#include <string_view>

#include "api/taskqueue_rest/access.h"
#include "api/taskqueue_rest/bodies.h"
#include "api/taskqueue_rest/fields.h"
#include "api/taskqueue_rest/query.h"
#include "api/taskqueue_rest/route.h"
#include "api/taskqueue_rest/taskqueue_rest.h"

namespace deferd::taskqueue_rest {

class RestDoor final : public HttpHandler {
 public:
  RestDoor(TaskqueueRestOptions options, Runtime& runtime, const Clock& clock)
      : options_(std::move(options)), runtime_(runtime), clock_(clock) {}

  void handle(const HttpRequest& request, HttpReply reply) override;

 private:
  struct Method;
  // What a method gets. `body` is gone when the method returns.
  struct Call {
    std::string_view body;
    Route route;
    Query query;
    Selection fields;
    const Method& method;
    CallerPointer caller;  // null: authentication is off
    HttpReply reply;
  };
  struct Method {
    Resource resource;
    std::string_view http_method;
    void (RestDoor::*run)(Call call);
    const Shape& shape;  // of its answer
    // Whoever has one of the two may call: the right by the queue's access list, or the
    // permissions.
    Right right;
    Permissions needs;
  };
  static const Method methods[];

  void get_queue(Call call);
  void list(Call call);
  void insert(Call call);
  void lease(Call call);
  void get(Call call);
  void update(Call call);
  void patch(Call call);
  void remove(Call call);

  void change_lease(Call call, Result<LeaseUpdate> update);
  void list_page(Call call, std::vector<TaskInfo> listed, TaskId after);

  // Why the caller may not make the call of this queue (or of one that is not there).
  std::optional<Error> refusal(const Call& call, const Result<QueueInfo>& queue) const;
  // Goes on with `then(Call, QueueInfo)` when the queue is a pull queue that the caller may use so.
  template <class Then>
  void with_queue(Call call, Then then);

  const TaskqueueRestOptions options_;
  Runtime& runtime_;
  const Clock& clock_;
};

// The discovery document. `host` is what the caller called the server.
std::string discovery_json(std::string_view host);

}  // namespace deferd::taskqueue_rest
