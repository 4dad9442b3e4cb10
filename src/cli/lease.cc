// defer lease|ack|renew|release|fail: a worker in a shell.
//
//   defer lease results --max 10 --json | while read -r task; do work "$task"; echo "$task" | defer
//   ack results; done
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "cli/session.h"
#include "cli/table.h"
#include "model/duration_text.h"

namespace deferd::cli {
namespace {

constexpr std::size_t leases_bytes_max = 256 << 20;  // 1,000 leased tasks with their bodies
constexpr std::size_t call_leases_max = 1000;        // the server's

struct LeaseOptions {
  std::string queue;
  std::uint32_t tasks_max = 1;
  std::string lease;
  std::string key;
  bool has_key = false;
  bool oldest_key = false;
  std::string wait;
  std::string worker;
};

int lease(Session& session, const LeaseOptions& options) {
  json::object body;
  body["max"] = options.tasks_max;
  if (!options.lease.empty()) body["lease"] = options.lease;
  if (options.has_key) body["key"] = options.key;
  if (options.oldest_key) body["oldest_key"] = true;
  if (!options.worker.empty()) body["worker"] = options.worker;
  Micros extra{0};
  if (!options.wait.empty()) {
    const Result<Micros> wait = parse_duration(options.wait);
    if (!wait) return session.usage("--wait: " + wait.error().message);
    extra = *wait;
    body["wait"] = options.wait;
  }
  const Outcome<json::value> answer =
      session.call("POST", session.queue_path(options.queue) + "/tasks:lease", body, extra);
  if (!answer) return session.fail(answer.error());
  Table table({"TASK", "LEASE TOKEN", "EXPIRES", ">ATTEMPTS", "KEY", "BODY"});
  for (const json::value& task : array_of(*answer, "tasks")) {
    if (session.json()) {
      session.print_json(task);
      continue;
    }
    table.add({text_of(task, "id"), text_of(task, "lease_token"),
               relative(text_of(task, "lease_expires"), to_micros(session.world.now())),
               text_of(task, "attempts"), text_of(task, "key"),
               printable(text_of(task, "body"), 40)});
  }
  if (session.json()) return exit_done;
  if (table.empty()) {
    session.world.out << "nothing to lease in " << options.queue << '\n';
  } else {
    table.print(session.world.out);
  }
  return exit_done;
}

// What ack, renew, release and fail share: leases as ID:TOKEN words, or as the lines that `defer
// lease
// --json` printed.
struct HoldOptions {
  std::string queue;
  std::vector<std::string> leases;
  std::string duration;
  std::string report;
};

// What they have apart. `flag` is a duration, member `member` of the request; `report` is a text
// that each task of the request gets as its member of that name.
struct Hold {
  const char* verb;
  const char* about;
  const char* done;
  const char* flag = nullptr;
  const char* member = nullptr;
  const char* flag_about = nullptr;
  const char* report = nullptr;
  const char* report_about = nullptr;
};
constexpr Hold holds[] = {
    {.verb = "ack",
     .about = "Say that leased tasks are done; they end",
     .done = "acknowledged",
     .report = "result",
     .report_about = "What the tasks give their callers (add --keep-result)"},
    {.verb = "renew",
     .about = "Keep leased tasks for longer",
     .done = "renewed",
     .flag = "for",
     .member = "lease",
     .flag_about = "How long from now"},
    {.verb = "release",
     .about = "Give leased tasks back",
     .done = "released",
     .flag = "delay",
     .member = "delay",
     .flag_about = "Not before; the queue's backoff when not said",
     .report = "error",
     .report_about = "What went wrong"},
    {.verb = "fail",
     .about = "End leased tasks as failed, never to be tried again",
     .done = "failed",
     .report = "error",
     .report_about = "What went wrong"},
};

Outcome<json::array> read_leases(Session& session, const HoldOptions& options) {
  const auto wrong = [](const std::string& message) {
    return tl::unexpected(Failure{
        .exit_code = exit_usage, .message = message, .status = {}, .field = {}, .retry_after = {}});
  };
  json::array leases;
  for (const std::string& word : options.leases) {
    const std::size_t colon = word.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == word.size()) {
      return wrong("\"" + word + "\" is not a lease; write it ID:TOKEN, as lease printed them");
    }
    leases.push_back(
        json::object{{"id", word.substr(0, colon)}, {"lease_token", word.substr(colon + 1)}});
  }
  if (!options.leases.empty()) return leases;
  if (session.world.in_is_terminal)
    return wrong("give leases as ID:TOKEN, or the lines of defer lease --json on standard input");
  const Outcome<std::string> text = read_all(session, "-", leases_bytes_max);
  if (!text) return tl::unexpected(text.error());
  std::size_t begin = 0;
  for (std::uint64_t number = 1; begin < text->size(); ++number) {
    const std::size_t end = std::min(text->find('\n', begin), text->size());
    const std::string_view line = std::string_view(*text).substr(begin, end - begin);
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    json::error_code error;
    const json::value task = json::parse(line, error);
    if (error || text_of(task, "id").empty() || text_of(task, "lease_token").empty()) {
      return wrong("line " + std::to_string(number) + " has no id and lease_token");
    }
    leases.push_back(json::object{{"id", task.at("id")}, {"lease_token", task.at("lease_token")}});
  }
  return leases;
}

int hold(Session& session, const HoldOptions& options, const Hold& how) {
  Outcome<json::array> leases = read_leases(session, options);
  if (!leases) return session.fail(leases.error());
  for (json::value& lease : *leases) {
    if (options.report.empty()) break;
    const bool is_result = std::string_view(how.report) == "result";
    lease.as_object()[how.report] = is_result ? json::value(json::object{{"body", options.report}})
                                              : json::value(options.report);
  }
  std::uint64_t good = 0;
  int exit_code = exit_done;
  for (std::size_t begin = 0; begin < leases->size(); begin += call_leases_max) {
    const std::size_t end = std::min(leases->size(), begin + call_leases_max);
    json::object body;
    body["tasks"] = json::array(leases->begin() + static_cast<std::ptrdiff_t>(begin),
                                leases->begin() + static_cast<std::ptrdiff_t>(end));
    if (!options.duration.empty()) body[how.member] = options.duration;
    const Outcome<json::value> answer =
        session.call("POST", session.queue_path(options.queue) + "/tasks:" + how.verb, body);
    if (!answer) return session.fail(answer.error());
    const json::array results = array_of(*answer, "results");
    for (std::size_t i = begin; i < end; ++i) {
      const json::value result = i - begin < results.size() ? results[i - begin] : json::value();
      const json::value* error =
          result.is_object() ? result.as_object().if_contains("error") : nullptr;
      if (error == nullptr) {
        ++good;
        continue;
      }
      exit_code = exit_refused;
      session.world.err << "defer: " << printable(text_of((*leases)[i], "id")) << ": "
                        << printable(text_of(*error, "message"), 500) << '\n';
    }
  }
  if (session.json()) {
    session.print_json(json::object{{how.done, good}, {"refused", leases->size() - good}});
  } else {
    session.world.out << with_commas(good) << ' ' << how.done << '\n';
  }
  return exit_code;
}

}  // namespace

void add_lease_commands(CLI::App& app, Session& session) {
  auto options = std::make_shared<LeaseOptions>();
  CLI::App* command = app.add_subcommand("lease", "Take tasks of a pull queue for a while");
  command->add_option("QUEUE", options->queue, "Its name")->required();
  command->add_option("--max", options->tasks_max, "At most so many, 1 when not said")
      ->check(CLI::Range(1, 1000))
      ->type_name("N");
  command->add_option("--for", options->lease, "How long they are yours: 60s when not said")
      ->type_name("DURATION");
  CLI::Option* key = command->add_option("--key", options->key, "Only tasks of this key");
  command
      ->add_flag("--oldest-key", options->oldest_key,
                 "Only tasks of the key whose task has waited longest")
      ->excludes(key);
  command->add_option("--wait", options->wait, "Wait so long for the first task")
      ->type_name("DURATION");
  command->add_option("--worker", options->worker,
                      "Who you are: then a lease that you let expire counts as your death");
  command->footer(
      "Prints each task with the lease_token that ack, renew, release and fail want.\n"
      "\nExamples:\n  defer lease results --max 10 --for 5m\n  defer lease results --wait 20s "
      "--json > task && work task && defer ack results < task");
  command->callback([&session, options, key] {
    options->has_key = key->count() > 0;
    session.action = [&session, options] { return lease(session, *options); };
  });

  for (const Hold& how : holds) {
    auto held = std::make_shared<HoldOptions>();
    CLI::App* hold_command = app.add_subcommand(how.verb, how.about);
    hold_command->add_option("QUEUE", held->queue, "Its name")->required();
    hold_command->add_option(
        "ID:TOKEN", held->leases,
        "Leases; from standard input, as lease printed them, when none is given");
    const bool renews = std::string_view(how.verb) == "renew";
    if (how.flag != nullptr) {
      CLI::Option* option =
          hold_command->add_option("--" + std::string(how.flag), held->duration, how.flag_about)
              ->type_name("DURATION");
      if (renews) option->required();
    }
    if (how.report != nullptr) {
      hold_command->add_option("--" + std::string(how.report), held->report, how.report_about)
          ->type_name("TEXT");
    }
    hold_command->footer("Examples:\n  defer " + std::string(how.verb) +
                         " results 01800000000000000001:77" + (renews ? " --for 5m" : ""));
    hold_command->callback([&session, held, &how] {
      session.action = [&session, held, &how] { return hold(session, *held, how); };
    });
  }
}

}  // namespace deferd::cli
