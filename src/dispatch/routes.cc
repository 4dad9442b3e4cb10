#include "dispatch/routes.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace deferd {
namespace {

constexpr std::string_view service_place = "{service}";
constexpr std::string_view dot_word = "-dot-";
constexpr std::size_t label_chars_max = 63;  // of DNS
constexpr std::size_t host_chars_max = 300;  // a name of 253, a port, some room

bool is_label_char(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; }

// One to three labels of [a-z0-9-], with dots between them.
bool is_service_name(std::string_view name) {
  std::size_t labels = 1;
  std::size_t chars = 0;
  for (const char c : name) {
    if (c == '.') {
      if (chars == 0) return false;
      ++labels;
      chars = 0;
    } else if (!is_label_char(c) || ++chars > label_chars_max) {
      return false;
    }
  }
  return chars > 0 && labels <= 3;
}

// What may be sent as a Host without doubt: a name or an address, and a port.
bool is_plain_host(std::string_view host) {
  return !host.empty() && host.size() <= host_chars_max &&
         std::all_of(host.begin(), host.end(), [](char c) {
           return is_label_char(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == ':' ||
                  c == '[' || c == ']';
         });
}

std::string replace_all(std::string text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
  return text;
}

// "v1.worker" of "v1.worker.shop.example.com" and "v1-dot-worker-dot-shop.example.com"; empty for
// the hostname itself; nothing when `host` does not end with it. Both in lower case.
std::optional<std::string> before_hostname(std::string_view host, std::string_view hostname) {
  if (!host.ends_with(hostname)) {
    // The port of a request that was being handled tells nothing about services.
    const std::size_t colon = host.rfind(':');
    if (colon == std::string_view::npos || hostname.find(':') != std::string_view::npos) {
      return std::nullopt;
    }
    host = host.substr(0, colon);
    if (!host.ends_with(hostname)) return std::nullopt;
  }
  host.remove_suffix(hostname.size());
  if (host.empty()) return std::string();
  if (host.ends_with('.')) {
    host.remove_suffix(1);
  } else if (host.ends_with(dot_word)) {
    host.remove_suffix(dot_word.size());
  } else {
    return std::nullopt;
  }
  std::string name = replace_all(std::string(host), dot_word, ".");
  if (!is_service_name(name)) return std::nullopt;
  return name;
}

// cron.yaml writes "worker:v1" where everything else writes "v1.worker".
std::string target_name(std::string_view target) {
  const std::size_t colon = target.find(':');
  if (colon == std::string_view::npos) return to_lower(target);
  return to_lower(target.substr(colon + 1)) + "." + to_lower(target.substr(0, colon));
}

std::string with_service(std::string_view service_url, std::string_view service) {
  return replace_all(std::string(service_url), service_place, service);
}

tl::unexpected<Error> wrong(const std::string& app, const Error& error) {
  return fail(Reason::invalid, "application \"" + app + "\": " + error.message, error.field);
}

}  // namespace

Result<std::shared_ptr<const Routes>> Routes::make(const RouteOptions& options) {
  const Result<TargetUrl> app_url = parse_base_url(options.app_url);
  if (!app_url) {
    return fail(Reason::invalid, "app_url: " + app_url.error().message, "app_url");
  }
  const std::shared_ptr<Routes> routes(new Routes);
  routes->other_.hostname = app_url->authority();
  routes->other_.default_service = routes->other_.fallback = *app_url;
  for (const auto& [name, given] : options.apps) {
    Result<App> app = make_app(name, given, *app_url);
    if (!app) return fail(app.error());
    routes->apps_.emplace(name, std::move(*app));
  }
  return std::shared_ptr<const Routes>(routes);
}

Result<Routes::App> Routes::make_app(const std::string& name, const AppRoutes& given,
                                     const TargetUrl& app_url) {
  App app;
  app.send_url_host = given.send_url_host;
  app.service_url = given.service_url;
  for (const auto& [service, url] : given.services) {
    if (!is_service_name(service)) {
      return wrong(name, {Reason::invalid,
                          "service \"" + service +
                              "\" should be like worker, v1.worker or 0.v1.worker, of a-z 0-9 -",
                          "services", std::nullopt});
    }
    Result<TargetUrl> base = parse_base_url(url);
    if (!base) return wrong(name, base.error());
    app.services.emplace(service, std::move(*base));
  }
  if (!given.service_url.empty()) {
    if (given.service_url.find(service_place) == std::string::npos) {
      return wrong(name, {Reason::invalid, "service_url should have {service} in it", "service_url",
                          std::nullopt});
    }
    const Result<TargetUrl> base = parse_base_url(with_service(given.service_url, "default"));
    if (!base) return wrong(name, base.error());
    app.default_service = *base;
  } else {
    app.default_service = app_url;
  }
  if (!given.url.empty()) {
    const Result<TargetUrl> base = parse_base_url(given.url);
    if (!base) return wrong(name, base.error());
    app.default_service = *base;
  }
  app.fallback = app.default_service;
  if (const auto named = app.services.find("default"); named != app.services.end()) {
    app.default_service = named->second;
    if (given.url.empty()) app.fallback = named->second;
  }
  app.hostname = to_lower(given.hostname);
  if (app.hostname.empty()) app.hostname = app.default_service.authority();
  if (!is_plain_host(app.hostname)) {
    return wrong(name, {Reason::invalid,
                        "hostname \"" + given.hostname + "\" should be like shop.example.com",
                        "hostname", std::nullopt});
  }
  return app;
}

const Routes::App& Routes::app(std::string_view name) const {
  const auto found = apps_.find(name);
  return found == apps_.end() ? other_ : found->second;
}

const std::string& Routes::hostname(std::string_view name) const { return app(name).hostname; }

// Nothing: no entry and no template knows the name.
std::optional<TargetUrl> Routes::find(const App& app, std::string_view name) {
  std::string_view rest = name;
  for (;;) {  // instance.version.service, version.service, service
    if (const auto found = app.services.find(rest); found != app.services.end()) {
      return found->second;
    }
    const std::size_t dot = rest.find('.');
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (rest == "default") return std::nullopt;
  if (rest == name) {
    const auto found = app.services.find(std::string(name) + ".default");
    if (found != app.services.end()) return found->second;
  }
  if (app.service_url.empty()) return std::nullopt;
  Result<TargetUrl> base = parse_base_url(with_service(app.service_url, rest));
  if (!base) return std::nullopt;  // a service of hyphens, say, is no host
  return std::move(*base);
}

Route Routes::resolve(std::string_view app_name, std::string_view target, std::string_view host,
                      std::string_view path) const {
  const App& app = this->app(app_name);
  Route route;
  route.hostname = app.hostname;
  std::optional<TargetUrl> base;
  if (!target.empty()) {
    const std::string name = target_name(target);
    if (is_service_name(name)) {
      base = name == "default" ? app.default_service : find(app, name);
      route.host = name + "." + app.hostname;
    }
  } else if (!host.empty()) {
    std::string lower = to_lower(host);
    if (lower.ends_with('.')) lower.pop_back();  // a name written out to the root
    route.host = host;
    if (const auto name = before_hostname(lower, app.hostname)) {
      base = name->empty() || name == "default" ? app.default_service : find(app, *name);
    } else if (const auto named = app.services.find(lower); named != app.services.end()) {
      base = named->second;
      route.host = lower + "." + app.hostname;
    }
  } else {
    base = app.default_service;
  }
  if (!is_plain_host(route.host)) route.host = app.hostname;
  route.url = base ? std::move(*base) : app.fallback;
  if (app.send_url_host) route.host = route.url.authority();
  route.url.path.append(path);
  return route;
}

}  // namespace deferd
