// defer result, cancel
#include "cli/results.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/beast/core/detail/base64.hpp>
#include <iostream>
#include <memory>

#include "cli/table.h"
#include "cli/task_view.h"
#include "model/duration_text.h"

namespace deferd::cli {
namespace {

constexpr Micros call_wait_max = Seconds(60);  // the server's

struct ResultOptions {
  std::string queue;
  std::string task;
  std::string wait = "0s";
  bool history = false;
  bool body_only = false;
};

struct CancelOptions {
  std::string queue;
  std::vector<std::string> tasks;
};

std::string body_of(const json::value& result) {
  const std::string base64 = text_of(result, "body_base64");
  if (base64.empty()) return text_of(result, "body");
  namespace codec = boost::beast::detail::base64;
  std::string bytes(codec::decoded_size(base64.size()), '\0');
  bytes.resize(codec::decode(bytes.data(), base64.data(), base64.size()).first);
  return bytes;
}

int exit_code_of(const std::string& state) {
  if (state == "succeeded") return exit_done;
  return state == "pending" ? exit_try_later : exit_refused;
}

int cancel(Session& session, const CancelOptions& options) {
  return each_task(session, options.tasks, [&](const std::string& name) -> Outcome<void> {
    const Outcome<json::value> task = session.call(
        "POST", task_path(session, options.queue, name) + ":cancel", json::value(json::object()));
    if (!task) return tl::unexpected(task.error());
    if (session.json()) {
      session.print_json(*task);
    } else {
      session.world.out << name << ": cancelled, was " << text_of(*task, "state") << '\n';
    }
    return {};
  });
}

}  // namespace

int show_result(Session& session, const std::string& queue, const std::string& task, Micros wait,
                const std::string& query, bool body_only) {
  const Wall until = session.world.now() + wait;
  while (true) {
    const Micros left = std::max(until - session.world.now(), Micros(0));
    const Micros now = std::min(left, call_wait_max);
    const Outcome<json::value> outcome = session.call(
        "GET", task_path(session, queue, task) + "/result?wait=" + format_duration(now) + query,
        nullptr, now);
    if (!outcome) return session.fail(outcome.error());
    const std::string state = text_of(*outcome, "state");
    if (state == "pending" && left > now) continue;
    if (body_only) {
      const json::value* result = outcome->as_object().if_contains("result");
      if (result != nullptr) session.world.out << body_of(*result);
    } else {
      print_task(session, *outcome);
    }
    return exit_code_of(state);
  }
}

void add_result_commands(CLI::App& app, Session& session) {
  auto options = std::make_shared<ResultOptions>();
  CLI::App* result = app.add_subcommand("result", "What became of a task added with --keep-result");
  result->add_option("QUEUE", options->queue, "The queue's name")->required();
  result->add_option("TASK", options->task, "Its id or name")->required();
  result->add_option("--wait", options->wait, "Wait so long for its end; 0s when not said")
      ->type_name("DURATION");
  result->add_flag("--history", options->history, "With its attempts and their logs");
  result->add_flag("--body", options->body_only, "Only the result's body, as it is");
  result->footer(
      "Exit codes: 0 it succeeded, 1 it failed, was cancelled or expired, 4 it has not ended.\n"
      "\nExamples:\n  defer result jobs report-7 --wait 30s\n"
      "  defer result jobs report-7 --body > report.pdf");
  result->callback([&session, options] {
    session.action = [&session, options] {
      const Result<Micros> wait = parse_duration(options->wait);
      if (!wait) return session.usage("--wait: " + wait.error().message);
      return show_result(session, options->queue, options->task, *wait,
                         options->history ? "&history=true" : "", options->body_only);
    };
  });

  auto cancelled = std::make_shared<CancelOptions>();
  CLI::App* command =
      app.add_subcommand("cancel", "End tasks at once, also while they are pushed or leased");
  command->add_option("QUEUE", cancelled->queue, "The queue's name")->required();
  command
      ->add_option("TASK", cancelled->tasks, "Its id or name; several are done one after the other")
      ->required();
  command->footer("Examples:\n  defer cancel jobs report-7");
  command->callback([&session, cancelled] {
    session.action = [&session, cancelled] { return cancel(session, *cancelled); };
  });
}

}  // namespace deferd::cli
