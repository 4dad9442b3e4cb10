#include "api/cloudtasks/rest/http_methods.h"

#include <cloudtasks/http.pb.h>

#include <vector>

#include "api/cloudtasks/rest/default_url.h"
#include "api/cloudtasks/rest/firebase_calls.h"
#include "api/cloudtasks/task_calls.h"
#include "api/cloudtasks/versions.h"

namespace deferd::cloudtasks::rest {
namespace {

template <class V, class Response>
void buffer_task(Service& service, const BufferTaskRequest& request, const Context& context,
                 Done<Response> done) {
  auto queue = queue_of(request.parent());
  if (!queue) return done(refuse(queue.error()));
  typename V::CreateTaskRequest create;
  create.set_parent(request.parent());
  if (!request.task_id().empty())
    create.mutable_task()->set_name(request.parent() + "/tasks/" + request.task_id());
  auto& http = *create.mutable_task()->mutable_http_request();
  http.set_body(request.body());
  *http.mutable_headers() = request.headers();
  with_default_url(service, std::move(*queue), context,
                   [&service, create = std::move(create), context,
                    done = std::move(done)](Outcome<std::string> url) mutable {
                     if (!url) return done(refuse(url.error()));
                     create.mutable_task()->mutable_http_request()->set_url(std::move(*url));
                     TaskCalls<V>::create_task(
                         service, create, context,
                         [done = std::move(done)](Outcome<typename V::Task> task) mutable {
                           if (!task) return done(refuse(task.error()));
                           Response response;
                           *response.mutable_task() = std::move(*task);
                           done(std::move(response));
                         });
                   });
}

template <class V, class Response>
Method buffer_method() {
  return method<BufferTaskRequest, Response, &buffer_task<V, Response>>(V::service, "BufferTask",
                                                                        Permission::tasks_create);
}

}  // namespace

std::span<const Method> http_methods() {
  static const std::vector<Method> all = {
      buffer_method<V2, BufferTaskResponseV2>(),
      buffer_method<V2Beta3, BufferTaskResponseV2Beta3>(),
      buffer_method<V2Beta2, BufferTaskResponseV2Beta2>(),
      method<V2::CreateTaskRequest, V2::Task, &create_firebase_task>(firebase_service, "CreateTask",
                                                                     Permission::tasks_create),
      method<FirebaseQueue, FirebaseQueueMade, &register_firebase_queue>(
          firebase_service, "RegisterQueue",
          {Permission::queues_create, Permission::queues_update}),
  };
  return all;
}

}  // namespace deferd::cloudtasks::rest
