// Where the tasks of applications go, as an operator writes it down (the `apps:` of deferd.yaml):
// plain values, checked by whoever reads them; dispatch/routes.h gives them their meaning.
#pragma once

#include <map>
#include <string>

namespace deferd {

struct AppRoutes {
  // The application's default hostname, "shop.example.com" or "localhost:8080": what its tasks'
  // Host headers end with. Empty: the host and port of its own URL.
  std::string hostname;
  std::string url;  // of the default service, and of all that nothing else names; empty: app_url
  // By "service", "version.service" or "instance.version.service".
  std::map<std::string, std::string, std::less<>> services;
  std::string service_url;  // of services that are not named, with "{service}" in it; may be empty
  bool send_url_host = false;  // the Host header that is sent is the URL's, not the task's

  friend bool operator==(const AppRoutes&, const AppRoutes&) = default;
};

struct RouteOptions {
  std::string app_url = "http://127.0.0.1:8080";
  std::map<std::string, AppRoutes, std::less<>> apps;  // by application, which is a project's name

  friend bool operator==(const RouteOptions&, const RouteOptions&) = default;
};

}  // namespace deferd
