// defer cron ls|apply|run
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "cli/session.h"
#include "cli/table.h"
#include "cli/upload.h"
#include "config/config_tree.h"

namespace deferd::cli {
namespace {

constexpr std::size_t id_chars_shown = 8;

// "/v1/cron", or the long form when --project or --location is given.
std::string cron_path(const Session& session) {
  const std::string queues = session.queues_path();
  return queues.substr(0, queues.size() - std::string_view("queues").size()) + "cron";
}

// "2027-01-16T08:00Z (in 1d)"
std::string instant(const std::string& when, std::int64_t now) {
  return when.substr(0, 16) + "Z (" + relative(when, now) + ")";
}

std::string last_of(const json::value& job, std::int64_t now) {
  const std::string when = text_of(job, "last_run");
  if (when.empty()) return "never";
  std::string how = text_of(job, "last_status");
  if (how.empty()) how = text_of(job, "last_failure");
  return relative(when, now) + (how.empty() ? "" : ", " + how);
}

int cron_ls(Session& session) {
  const Outcome<json::value> answer = session.call("GET", cron_path(session));
  if (!answer) return session.fail(answer.error());
  const json::array jobs = array_of(*answer, "jobs");
  if (session.json()) {
    for (const json::value& job : jobs) session.print_json(job);
    return exit_done;
  }
  if (jobs.empty()) {
    session.world.out << "no jobs; make some with: defer cron apply cron.yaml\n";
    return exit_done;
  }
  const std::int64_t now = to_micros(session.world.now());
  Table table({"JOB", "URL", "SCHEDULE", "ZONE", "LAST RUN", "NEXT RUNS"});
  for (const json::value& job : jobs) {
    std::vector<std::string> row = {
        text_of(job, "id").substr(0, id_chars_shown), printable(text_of(job, "url"), 60),
        printable(text_of(job, "schedule"), 60), text_of(job, "timezone"), last_of(job, now)};
    if (text_of(job, "state") == "in_flight") row.back() += " (running)";
    // One line each, so that all five can be read.
    for (const json::value& run : array_of(job, "next_runs")) {
      const std::string when = run.is_string() ? std::string(run.as_string()) : "";
      row.push_back(instant(when, now));
      table.add(std::move(row));
      row = {"", "", "", "", ""};
    }
    if (!row.front().empty()) {
      row.emplace_back("none");
      table.add(std::move(row));
    }
  }
  table.print(session.world.out);
  return exit_done;
}

constexpr std::string_view server_file_name = "cron.yaml";  // what the server calls a body

const char* sign_of(const std::string& action) {
  if (action == "make") return "+";
  return action == "remove" ? "-" : "~";
}

// What changes, a setting a line; jobs that stay are only counted. Gives the number of changes.
std::size_t print_plan(Session& session, const json::value& plan) {
  const std::int64_t now = to_micros(session.world.now());
  Table table({"", "ACTION", "URL", "SCHEDULE", "ZONE", "NEXT RUN", "SETTING", "BEFORE", "AFTER"});
  std::size_t changed = 0;
  std::size_t kept = 0;
  for (const json::value& job : array_of(plan, "jobs")) {
    const std::string action = text_of(job, "action");
    if (action == "keep") {
      ++kept;
      continue;
    }
    ++changed;
    const std::string next = text_of(job, "next_run");
    std::vector<std::string> row{sign_of(action),
                                 action,
                                 printable(text_of(job, "url"), 60),
                                 printable(text_of(job, "schedule"), 60),
                                 text_of(job, "timezone"),
                                 next.empty() ? "" : instant(next, now)};
    const json::array settings = array_of(job, "settings");
    for (const json::value& change : settings) {
      const auto shown = [&change](std::string_view side) {
        const std::string text = printable(text_of(change, side), 60);
        return text == "null" ? std::string() : text;
      };
      row.insert(row.end(), {text_of(change, "setting"), shown("before"), shown("after")});
      table.add(std::move(row));
      row = {"", "", "", "", "", ""};
    }
    if (!settings.empty()) continue;
    row.insert(row.end(), {"", "", ""});
    table.add(std::move(row));
  }
  if (!table.empty()) table.print(session.world.out);
  session.world.out << (changed == 0 ? "nothing" : std::to_string(changed)) << " to change, "
                    << kept << (kept == 1 ? " job" : " jobs") << " unchanged\n";
  return changed;
}

// The file is read by the server alone: which time zones there are is known there.
int cron_apply(Session& session, const UploadOptions& options) {
  Outcome<std::string> text = read_all(session, options.file, config_file_bytes_max);
  if (!text) return session.fail(text.error());
  return upload(session, options,
                {cron_path(session), server_file_name, std::move(*text), print_plan});
}

// JOB is an id, the beginning of one, or a url; it must mean one job.
Outcome<std::string> find_job(Session& session, const std::string& wanted) {
  const Outcome<json::value> answer = session.call("GET", cron_path(session));
  if (!answer) return tl::unexpected(answer.error());
  std::vector<std::string> found;
  for (const json::value& job : array_of(*answer, "jobs")) {
    const std::string id = text_of(job, "id");
    if (id == wanted) return id;
    if (text_of(job, "url") == wanted || id.starts_with(wanted)) found.push_back(id);
  }
  if (found.size() == 1) return found.front();
  Failure failure;
  failure.status = found.empty() ? "NOT_FOUND" : "INVALID_ARGUMENT";
  failure.message = found.empty() ? "no job " + wanted + "; defer cron ls shows them"
                                  : std::to_string(found.size()) + " jobs are " + wanted +
                                        "; name one by its id (defer cron ls)";
  return tl::unexpected(std::move(failure));
}

int cron_run(Session& session, const std::string& wanted) {
  const Outcome<std::string> id = find_job(session, wanted);
  if (!id) return session.fail(id.error());
  const Outcome<json::value> task = session.call(
      "POST", session.queue_path("__cron") + "/tasks/" + *id + ":run", json::value(json::object()));
  if (!task) return session.fail(task.error());
  if (session.json()) {
    session.print_json(*task);
  } else {
    session.world.out << "job " << id->substr(0, id_chars_shown) << ": started\n";
  }
  return exit_done;
}

}  // namespace

void add_cron_commands(CLI::App& app, Session& session) {
  CLI::App* cron = app.add_subcommand("cron", "Jobs that run by the clock: ls, apply, run");
  cron->require_subcommand(1);

  CLI::App* ls = cron->add_subcommand("ls", "All jobs with their next five runs");
  ls->footer("Examples:\n  defer cron ls\n  defer cron ls --json | jq -r .next_runs[0]");
  ls->callback([&session] { session.action = [&session] { return cron_ls(session); }; });

  auto apply = std::make_shared<UploadOptions>();
  CLI::App* apply_command =
      cron->add_subcommand("apply", "Make the jobs those of a cron.yaml; - is standard input");
  add_upload_options(*apply_command, *apply, "cron.yaml");
  apply_command->footer(
      "Jobs that are not in the file are removed; unchanged ones keep their next time.\n"
      "\nExamples:\n  defer cron apply cron.yaml --plan\n  defer cron apply cron.yaml");
  apply_command->callback([&session, apply] {
    session.action = [&session, apply] { return cron_apply(session, *apply); };
  });

  auto job = std::make_shared<std::string>();
  CLI::App* run = cron->add_subcommand("run", "Run a job now; its schedule goes on as it would");
  run->add_option("JOB", *job, "Its id, the beginning of it, or its url")->required();
  run->footer("Examples:\n  defer cron run /tasks/summary\n  defer cron run 1f0c2a7e");
  run->callback(
      [&session, job] { session.action = [&session, job] { return cron_run(session, *job); }; });
}

}  // namespace deferd::cli
