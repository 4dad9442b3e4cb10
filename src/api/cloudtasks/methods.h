// The table of all methods: from it the gRPC services are made, and whatever else speaks to the
// service (a transcoder finds a method's messages by their prototypes). Built once; any thread.
#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "api/cloudtasks/resources.h"
#include "api/cloudtasks/service.h"
#include "auth/permissions.h"

namespace deferd::cloudtasks {

struct Method {
  using Message = google::protobuf::Message;
  using Answer = Done<std::unique_ptr<Message>>;

  std::string_view service;  // "google.cloud.tasks.v2.CloudTasks"
  std::string_view name;     // "CreateTask"
  std::string path;          // "/google.cloud.tasks.v2.CloudTasks/CreateTask"
  const Message* request;    // prototypes
  const Message* response;
  Permissions needs;  // of `resource`, and tasks.fullView when `shows_all` (CT-spec 11)
  const std::string& (*resource)(const Message& request);
  bool (*shows_all)(const Message& request);
  // Whoever calls. `request` is of the type of the prototype and may go when this returns.
  void (*run)(Service& service, const Message& request, const Context& context, Answer answer);
};

std::span<const Method> methods();

// A call as it comes from a transport, with the credentials of its caller: carried out if the
// caller may (CT-spec 7: authentication, authorization, then all the rest).
void run(const Method& method, Service& service, const Method::Message& request, Context context,
         Method::Answer answer);

// The names of the services, each once.
std::span<const std::string_view> services();

// One method, from a function of the call's own types.
template <class Request, class Response,
          void (*function)(Service&, const Request&, const Context&, Done<Response>)>
Method method(std::string_view service, std::string_view name, Permissions needs) {
  return {service,
          name,
          "/" + std::string(service) + "/" + std::string(name),
          &Request::default_instance(),
          &Response::default_instance(),
          needs,
          [](const Method::Message& request) -> const std::string& {
            return resource_of(static_cast<const Request&>(request));
          },
          [](const Method::Message& request) {
            return shows_all(static_cast<const Request&>(request));
          },
          [](Service& to, const Method::Message& request, const Context& context,
             Method::Answer answer) {
            function(to, static_cast<const Request&>(request), context,
                     [answer = std::move(answer)](Outcome<Response> outcome) mutable {
                       if (!outcome) return answer(refuse(std::move(outcome.error())));
                       answer(std::make_unique<Response>(std::move(*outcome)));
                     });
          }};
}

}  // namespace deferd::cloudtasks
