// App Engine's routing between Google's messages and what the engine and the dispatcher know:
// "[[instance.]version.]service" (dispatch/routes.h).
#pragma once

#include <string>
#include <string_view>

namespace deferd::cloudtasks {

struct Routing {
  std::string service;
  std::string version;
  std::string instance;

  bool empty() const { return service.empty() && version.empty() && instance.empty(); }
};

// "v1.worker"; a service that is not named is `default`, and a version 1.0 is "1-dot-0". Empty:
// none.
std::string target_of(const Routing& routing);
// The way back, for what has no Routing kept beside its target.
Routing routing_of_target(std::string_view target);
// Whether every word is one of [A-Za-z0-9_.-], up to 100 long.
bool is_valid(const Routing& routing);

// "[instance.][version.][service.]P.REGION.r.appspot.com", as the service shows it.
std::string shown_host(const Routing& routing, std::string_view project, std::string_view location);

template <class Message>
Routing read_routing(const Message& message) {
  return {message.service(), message.version(), message.instance()};
}

template <class Message>
void write_routing(const Routing& routing, Message& message) {
  message.set_service(routing.service);
  message.set_version(routing.version);
  message.set_instance(routing.instance);
}

}  // namespace deferd::cloudtasks
