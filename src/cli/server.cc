// defer server status|config
#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/session.h"
#include "cli/table.h"

namespace deferd::cli {
namespace {

// Why /healthz or /readyz says no.
std::string reason_of(const HttpAnswer& answer) {
  json::error_code error;
  const json::value body = json::parse(answer.body, error);
  const std::string reason = error ? "" : text_of(body, "reason");
  return reason.empty() ? "it answers " + std::to_string(answer.status) : printable(reason);
}

// Whether it lives, whether it takes tasks in, and with what it was started.
int server_status(Session& session) {
  const Outcome<HttpAnswer> health = session.raw_call("GET", "/healthz", "");
  if (!health) return session.fail(health.error());
  const Outcome<HttpAnswer> ready = session.raw_call("GET", "/readyz", "");
  if (!ready) return session.fail(ready.error());
  const bool healthy = health->status == 200;
  const bool takes_tasks = ready->status == 200;
  if (session.json()) {
    session.print_json(
        json::object{{"url", session.url}, {"healthy", healthy}, {"ready", takes_tasks}});
  } else {
    Table table({"SERVER", session.url});
    table.add({"healthy", healthy ? "yes" : "no: " + reason_of(*health)});
    table.add({"ready", takes_tasks ? "yes" : "no: " + reason_of(*ready)});
    table.print(session.world.out);
  }
  return healthy && takes_tasks ? exit_done : exit_try_later;
}

int server_config(Session& session) {
  const Outcome<json::value> config = session.call("GET", "/v1/config");
  if (!config) return session.fail(config.error());
  if (session.json()) {
    session.print_json(*config);
    return exit_done;
  }
  Table table({"SETTING", "VALUE", "FROM"});
  const json::value* settings =
      config->is_object() ? config->as_object().if_contains("settings") : nullptr;
  if (settings != nullptr && settings->is_object()) {
    for (const auto& setting : settings->as_object()) {
      const bool secret = text_of(setting.value(), "secret") == "true";
      table.add({std::string(setting.key()),
                 secret ? "(secret)" : text_of(setting.value(), "value"),
                 text_of(setting.value(), "from")});
    }
  }
  table.print(session.world.out);
  return exit_done;
}

}  // namespace

void add_server_commands(CLI::App& app, Session& session) {
  CLI::App* server = app.add_subcommand("server", "The server itself: status, config");
  server->require_subcommand(1);
  CLI::App* status = server->add_subcommand(
      "status", "Whether it lives and takes tasks in; exit code 0 when both");
  status->footer(
      "Examples:\n  defer server status\n  until defer server status >/dev/null 2>&1; do sleep 1; "
      "done");
  status->callback([&session] { session.action = [&session] { return server_status(session); }; });
  CLI::App* config =
      server->add_subcommand("config", "Every setting in force and where it came from");
  config->footer("Examples:\n  defer server config");
  config->callback([&session] { session.action = [&session] { return server_config(session); }; });
}

}  // namespace deferd::cli
