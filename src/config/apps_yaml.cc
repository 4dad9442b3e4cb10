#include "config/apps_yaml.h"

#include <algorithm>
#include <set>

#include "config/nearest_name.h"
#include "model/names.h"
#include "model/target_url.h"

namespace deferd {
namespace {

constexpr std::string_view service_place = "{service}";

// One entry of a map, with where its key and its value stand.
struct Entry {
  std::string key;
  std::string where;
  YAML::Node value;
  std::string value_where;
};

tl::unexpected<Error> wrong(const std::string& where, const std::string& what) {
  return fail(Reason::invalid, where + ": " + what, std::string(apps_key));
}

// `what` names the map in complaints: "apps", "apps.shop".
Result<std::vector<Entry>> entries(const std::string& file, const YAML::Node& node,
                                   const std::string& what, const std::string& like) {
  std::vector<Entry> found;
  if (node.IsNull()) return found;
  if (!node.IsMap()) {
    return wrong(place(file, node.Mark()), what + " must be a table, one a line, like " + like);
  }
  std::set<std::string> seen;
  for (const auto& each : node) {
    Entry entry;
    entry.where = place(file, each.first.Mark());
    if (!each.first.IsScalar()) return wrong(entry.where, what + " must have names as keys");
    entry.key = each.first.Scalar();
    entry.value = each.second;
    entry.value_where = place(file, each.second.Mark());
    if (!seen.insert(entry.key).second) {
      return wrong(entry.where, what + "." + entry.key.substr(0, 80) + " is there twice");
    }
    found.push_back(std::move(entry));
  }
  return found;
}

Result<std::string> text_of(const Entry& entry, const std::string& what) {
  if (!entry.value.IsScalar() || entry.value.Scalar().empty()) {
    return wrong(entry.value_where, what + " must be a single value");
  }
  return entry.value.Scalar();
}

Result<std::string> url_of(const Entry& entry, const std::string& what) {
  Result<std::string> url = text_of(entry, what);
  if (!url) return url;
  if (Result<TargetUrl> base = parse_base_url(*url); !base) {
    return wrong(entry.value_where, what + ": " + base.error().message);
  }
  return url;
}

// "host" or "host:port", as a Host header ends.
bool is_hostname(const std::string& text) {
  const Result<TargetUrl> url = parse_base_url("http://" + text);
  return url && url->path.empty() && text.find('/') == std::string::npos;
}

// One to three labels of [a-z0-9-] with dots between them.
bool is_service(std::string_view name) {
  if (name.empty() || name.size() > 191) return false;
  if (std::count(name.begin(), name.end(), '.') > 2) return false;
  char before = '.';
  for (const char c : name) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    if (!fine && (c != '.' || before == '.')) return false;
    before = c;
  }
  return before != '.';
}

Result<AppRoutes> read_app(const std::string& file, const Entry& app) {
  const std::string name = std::string(apps_key) + "." + app.key;
  AppRoutes routes;
  const Result<std::vector<Entry>> members =
      entries(file, app.value, name, "\"url: http://127.0.0.1:8080\"");
  if (!members) return fail(members.error());
  for (const Entry& member : *members) {
    const std::string what = name + "." + member.key;
    if (member.key == "url") {
      Result<std::string> url = url_of(member, what);
      if (!url) return fail(url.error());
      routes.url = std::move(*url);
    } else if (member.key == "hostname") {
      Result<std::string> hostname = text_of(member, what);
      if (!hostname) return fail(hostname.error());
      if (!is_hostname(*hostname)) {
        return wrong(member.value_where, what + ": \"" + hostname->substr(0, 80) +
                                             "\" is not a host like shop.example.com");
      }
      routes.hostname = std::move(*hostname);
    } else if (member.key == "service_url") {
      Result<std::string> url = text_of(member, what);
      if (!url) return fail(url.error());
      std::string filled = *url;
      const std::size_t at = filled.find(service_place);
      if (at == std::string::npos) {
        return wrong(member.value_where,
                     what + ": has no {service}, should be like http://{service}.internal:8080");
      }
      for (std::size_t i = at; i != std::string::npos; i = filled.find(service_place)) {
        filled.replace(i, service_place.size(), "default");
      }
      if (Result<TargetUrl> base = parse_base_url(filled); !base) {
        return wrong(member.value_where, what + ": " + base.error().message);
      }
      routes.service_url = std::move(*url);
    } else if (member.key == "send_host") {
      Result<std::string> word = text_of(member, what);
      if (!word) return fail(word.error());
      if (*word != "task" && *word != "url") {
        return wrong(member.value_where,
                     what + ": \"" + word->substr(0, 80) + "\" is neither task nor url");
      }
      routes.send_url_host = *word == "url";
    } else if (member.key == "services") {
      const Result<std::vector<Entry>> services =
          entries(file, member.value, what, "\"worker: http://127.0.0.1:8081\"");
      if (!services) return fail(services.error());
      for (const Entry& service : *services) {
        if (!is_service(service.key)) {
          return wrong(service.where, what + ": \"" + service.key.substr(0, 80) +
                                          "\" is not a service; write it like worker, v1.worker or "
                                          "0.v1.worker, of a-z 0-9 -");
        }
        Result<std::string> url = url_of(service, what + "." + service.key);
        if (!url) return fail(url.error());
        routes.services.emplace(service.key, std::move(*url));
      }
    } else {
      return wrong(
          member.where,
          "there is no \"" + member.key.substr(0, 80) + "\" of an application" +
              meant(member.key, {"hostname", "url", "services", "service_url", "send_host"}));
    }
  }
  return routes;
}

}  // namespace

std::string place(const std::string& file, const YAML::Mark& mark) {
  if (mark.is_null()) return file;
  return file + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
}

std::string meant(std::string_view typed, const std::vector<std::string>& known) {
  std::vector<std::string_view> views(known.begin(), known.end());
  const auto nearest = nearest_name(typed, views);
  return nearest ? "; did you mean " + std::string(*nearest) + "?" : "";
}

Result<AppsYaml> read_apps(const std::string& file, const YAML::Node& node,
                           const std::string& from) {
  AppsYaml read;
  read.from = from;
  const Result<std::vector<Entry>> apps =
      entries(file, node, std::string(apps_key), "\"shop: {url: 'http://127.0.0.1:8080'}\"");
  if (!apps) return fail(apps.error());
  for (const Entry& app : *apps) {
    if (!QueueName::parse(app.key, "local", "default")) {
      return wrong(app.where, "apps: \"" + app.key.substr(0, 80) +
                                  "\" is not an application; use 1 to 100 of A-Z a-z 0-9 . _ : - "
                                  "(without a partition like s~)");
    }
    Result<AppRoutes> routes = read_app(file, app);
    if (!routes) return fail(routes.error());
    read.apps.emplace(app.key, std::move(*routes));
  }
  return read;
}

boost::json::object apps_object(const ServerConfig& config) {
  boost::json::object apps;
  for (const auto& [name, routes] : config.routes.apps) {
    boost::json::object app;
    if (!routes.hostname.empty()) app["hostname"] = routes.hostname;
    if (!routes.url.empty()) app["url"] = routes.url;
    if (!routes.service_url.empty()) app["service_url"] = routes.service_url;
    boost::json::object services;
    for (const auto& [service, url] : routes.services) services[service] = url;
    app["services"] = std::move(services);
    app["send_host"] = routes.send_url_host ? "url" : "task";
    apps[name] = std::move(app);
  }
  boost::json::object out;
  out["value"] = std::move(apps);
  const auto from = config.from.find(apps_key);
  out["from"] = from == config.from.end() ? "default" : from->second;
  return out;
}

std::string apps_markdown() {
  return R"(
## apps

Where the services of App Engine applications are: a table of `deferd.yaml` only, as it has levels that a flag
cannot have. It is read again on SIGHUP; attempts that run end where they are.

```yaml
apps:
  shop:                                    # an application, which is a project
    hostname: shop.example.com             # what the Host headers of its tasks end with; default: host of url
    url: http://127.0.0.1:8080             # whatever nothing below names; default: app_url
    services:
      worker: http://127.0.0.1:8081        # service, version.service or instance.version.service
      v2.worker: http://127.0.0.1:8082
    service_url: http://{service}.internal:8080   # services that are not named
    send_host: task                        # the Host that is sent: the task's (default), or the url's
```

A queue's `target` wins; else the task's `Host` says which service it is for; the most exact name decides. A host
that is nowhere in the table goes to `url`, never to that host. What stands in the table (and `app_url`) may be
reached whatever `target_deny` says, except link-local and metadata addresses and the server's own.
)";
}

}  // namespace deferd
