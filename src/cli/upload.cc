#include "cli/upload.h"

#include <CLI/CLI.hpp>
#include <iostream>

namespace deferd::cli {
namespace {

Outcome<json::value> send(Session& session, const UploadOptions& options, const Upload& what,
                          bool plan_only) {
  auto answer = session.call_text("POST", what.path + (plan_only ? "?plan=true" : ""), what.text);
  if (answer) return answer;
  Failure failure = std::move(answer.error());
  failure.field.clear();  // the complaint names its place
  if (options.file != "-" && failure.message.starts_with(std::string(what.server_name) + ":"))
    failure.message.replace(0, what.server_name.size(), options.file);
  return tl::unexpected(std::move(failure));
}

}  // namespace

void add_upload_options(CLI::App& command, UploadOptions& options, const std::string& about_file) {
  command.add_option("FILE", options.file, about_file)->required();
  command.add_flag("--plan", options.plan, "Only show what would change");
  command.add_flag("--yes", options.yes, "Do not ask");
}

int upload(Session& session, const UploadOptions& options, const Upload& what) {
  const Outcome<json::value> plan = send(session, options, what, true);
  if (!plan) return session.fail(plan.error());
  if (session.json() && options.plan) {
    session.print_json(*plan);
    return exit_done;
  }
  const std::size_t changed = session.json() ? 1 : what.print_plan(session, *plan);
  if (options.plan) return exit_done;
  if (changed > 0 && !session.confirmed(options.yes, "apply?")) return exit_refused;
  const Outcome<json::value> applied = send(session, options, what, false);
  if (!applied) return session.fail(applied.error());
  if (session.json()) {
    session.print_json(*applied);
  } else if (changed > 0) {
    session.world.out << "applied\n";
  }
  return exit_done;
}

}  // namespace deferd::cli
