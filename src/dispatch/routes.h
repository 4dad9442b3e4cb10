// Where a relative URL goes. App Engine knew the services of an application; here a table does,
// written by the operator: (application, [instance.][version.]service) -> base URL.
//
//   1. The queue's target wins over everything.
//   2. Else the task's Host header: what stands before the application's default hostname is
//      "[[instance.]version.]service", with dots or with "-dot-"; the hostname alone is the service
//      `default`. A name of the table alone ("v1.worker") is short for the same.
//   3. No Host is the default service, any other Host the application's fallback.
//
// A name finds the most exact entry: instance.version.service, version.service, service; one word
// that is no service may be a version of `default`; then the template of the application; then the
// fallback, which is the application's own URL, else its default service, else app_url. (GAE-spec
// 6.4)
//
// Invariant: a task chooses among what the operator wrote. No host, port or scheme comes from a
// task; of a task's words only a service's name of [a-z0-9-] reaches a URL, through the template.
//
// Immutable: any thread may read it. Whoever replaces a table swaps the pointer.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/app_routes.h"
#include "model/target_url.h"

namespace deferd {

struct Route {
  TargetUrl url;
  std::string host;      // what the Host header says
  std::string hostname;  // the application's default hostname
};

class Routes {
 public:
  // Fails with Reason::invalid: the message names the application and what is wrong.
  static Result<std::shared_ptr<const Routes>> make(const RouteOptions& options);

  // `target`: the queue's, "[[instance.]version.]service" (or "service:version", as cron.yaml
  // spells it), or empty. `host`: the task's Host header, any text. `path`: one that
  // check_target_path() takes. There is always a route.
  Route resolve(std::string_view app, std::string_view target, std::string_view host,
                std::string_view path) const;

  // What X-AppEngine-Default-Version-Hostname says, and what SDKs make their targets of.
  const std::string& hostname(std::string_view app) const;

 private:
  Routes() = default;

  struct App {
    std::string hostname;  // lower case
    TargetUrl default_service;
    TargetUrl fallback;
    std::map<std::string, TargetUrl, std::less<>> services;
    std::string service_url;
    bool send_url_host = false;
  };

  static Result<App> make_app(const std::string& name, const AppRoutes& given,
                              const TargetUrl& app_url);
  const App& app(std::string_view name) const;
  static std::optional<TargetUrl> find(const App& app, std::string_view name);

  std::map<std::string, App, std::less<>> apps_;
  App other_;  // of applications that the table does not name
};

}  // namespace deferd
