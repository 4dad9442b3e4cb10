// defer apply FILE: the queues of a project as a queue.yaml declares them. The plan is shown first,
// and on a terminal one is asked.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "cli/session.h"
#include "cli/table.h"
#include "cli/upload.h"
#include "config/queue_yaml.h"

namespace deferd::cli {
namespace {

constexpr std::string_view server_file_name = "queue.yaml";  // what the server calls a body

const char* sign_of(std::string_view action) {
  if (action == "make") return "+";
  if (action == "disable") return "-";
  return "~";
}

std::string shown(const json::value& change, std::string_view side) {
  const std::string text = text_of(change, side);
  return text.empty() || text == "null" ? "" : text;
}

// What changes, a setting a line; queues that stay are only counted. Gives the number of changes.
std::size_t print_plan(Session& session, const json::value& plan) {
  Table table({"", "ACTION", "QUEUE", "SETTING", "BEFORE", "AFTER"});
  std::size_t changed = 0;
  std::size_t kept = 0;
  for (const json::value& queue : array_of(plan, "queues")) {
    const std::string action = text_of(queue, "action");
    if (action == "keep") {
      ++kept;
      continue;
    }
    ++changed;
    std::vector<std::string> row{sign_of(action), action, text_of(queue, "queue")};
    if (action == "disable" || action == "enable" || action == "resume") {
      row.insert(row.end(), {"state",
                             action == "enable"   ? "disabled"
                             : action == "resume" ? "paused"
                                                  : "",
                             action == "disable" ? "disabled" : "running"});
      table.add(std::move(row));
      row = {"", "", ""};
    }
    for (const json::value& change : array_of(queue, "settings")) {
      row.insert(row.end(),
                 {text_of(change, "setting"), shown(change, "before"), shown(change, "after")});
      table.add(std::move(row));
      row = {"", "", ""};
    }
  }
  const json::value* const limit =
      plan.is_object() ? plan.as_object().if_contains("total_storage_limit") : nullptr;
  if (limit != nullptr) {
    ++changed;
    table.add({"~", "change", "(all)", "total_storage_limit", shown(*limit, "before"),
               shown(*limit, "after")});
  }
  if (!table.empty()) table.print(session.world.out);
  session.world.out << (changed == 0 ? "nothing" : std::to_string(changed)) << " to change, "
                    << kept << (kept == 1 ? " queue" : " queues") << " unchanged\n";
  return changed;
}

int apply(Session& session, const UploadOptions& options) {
  Outcome<std::string> text = read_all(session, options.file, config_file_bytes_max);
  if (!text) return session.fail(text.error());
  // A file that no server would take need not be sent.
  const std::string name = options.file == "-" ? std::string(server_file_name) : options.file;
  const auto parsed = parse_queue_yaml({name, *text});
  if (!parsed) return session.usage(parsed.error().message);
  return upload(session, options,
                {session.queues_path() + ":apply", server_file_name, std::move(*text), print_plan});
}

}  // namespace

void add_apply_command(CLI::App& app, Session& session) {
  auto options = std::make_shared<UploadOptions>();
  CLI::App* command = app.add_subcommand(
      "apply", "Give a project the queues that a queue.yaml declares; - is standard input");
  add_upload_options(*command, *options, "queue.yaml or queue.xml");
  command->footer(
      "A queue that the file leaves out is disabled: it keeps its tasks and starts none. Settings\n"
      "that the file leaves out return to App Engine's defaults. A wrong file changes nothing: it\n"
      "is told with line and column, and the exit code is 2 when it was not sent, 1 when the\n"
      "server refused it. 1 also means that the question was answered with no.\n"
      "\nExamples:\n  defer apply queue.yaml --plan\n  defer apply queue.yaml\n  defer apply - "
      "--yes "
      "< queue.yaml");
  command->callback([&session, options] {
    session.action = [&session, options] { return apply(session, *options); };
  });
}

}  // namespace deferd::cli
