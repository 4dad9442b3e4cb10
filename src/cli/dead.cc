// defer dead ls|show|retry|rm
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "cli/session.h"
#include "cli/table.h"
#include "cli/task_view.h"
#include "model/duration_text.h"
#include "model/time_text.h"

namespace deferd::cli {
namespace {

struct DeadOptions {
  std::string queue;
  std::vector<std::string> tasks;
  std::string reason;
  std::int64_t status = 0;
  std::string failure;
  std::string key;
  bool has_key = false;
  std::string since;
  std::string until;
  bool all = false;
  bool yes = false;
  std::uint64_t tasks_max = 0;
};

// An instant, or how long ago: "1h".
std::string instant(const Session& session, const std::string& text) {
  const Result<Micros> ago = parse_duration(text);
  return ago ? format_time(session.world.now() - *ago) : text;
}

json::object filter_of(const Session& session, const DeadOptions& options) {
  json::object filter;
  if (!options.reason.empty()) filter["reason"] = options.reason;
  if (options.status > 0) filter["status"] = options.status;
  if (!options.failure.empty()) filter["failure"] = options.failure;
  if (options.has_key) filter["key"] = options.key;
  if (!options.since.empty()) filter["since"] = instant(session, options.since);
  if (!options.until.empty()) filter["until"] = instant(session, options.until);
  return filter;
}

int dead_ls(Session& session, const DeadOptions& options) {
  const std::int64_t now = to_micros(session.world.now());
  const json::value given = filter_of(session, options);
  std::string filter;
  for (const auto& member : given.as_object())
    filter += "&" + std::string(member.key()) + "=" + url_encode(text_of(given, member.key()));
  return list_tasks(
      session,
      {.path = session.queue_path(options.queue) + "/dead",
       .filter = filter,
       .tasks_max = options.tasks_max,
       .columns = {"DIED", "REASON", ">ATTEMPTS", "ANSWER", "KEY", "TARGET"},
       .row =
           [now](const json::value& task) {
             return std::vector{relative(text_of(task, "died"), now),
                                text_of(task, "reason"),
                                text_of(task, "attempts"),
                                text_of(task, "last_status") + text_of(task, "last_failure"),
                                printable(text_of(task, "key"), 40),
                                printable(text_of(task, "url"), 60)};
           },
       .nothing = std::string("no dead letters") + (filter.empty() ? "" : " of that kind") +
                  " in " + options.queue});
}

int dead_show(Session& session, const DeadOptions& options) {
  return each_task(session, options.tasks, [&](const std::string& name) -> Outcome<void> {
    const Outcome<json::value> task =
        session.call("GET", task_path(session, options.queue, name, "dead"));
    if (!task) return tl::unexpected(task.error());
    print_task(session, *task);
    return {};
  });
}

// What retry and rm have apart: of one task and of those that a filter takes.
struct Verb {
  const char* name;    // "retry": also of the call by filter, unless that is "delete"
  const char* method;  // of the call for one task
  const char* suffix;
  const char* bulk;
  const char* done;  // the count in the answer to a call by filter
  const char* about;
};
constexpr Verb retry{"retry",   "POST",
                     ":retry",  "retry",
                     "retried", "Make dead letters alive again: due now, with no attempts"};
constexpr Verb rm{"rm", "DELETE", "", "delete", "deleted", "Remove dead letters, for good"};

int act_by_filter(Session& session, const DeadOptions& options, const Verb& verb) {
  json::object filter = filter_of(session, options);
  if (filter.empty() != options.all) {
    return session.usage(options.all ? "--all goes with no filter"
                                     : "name tasks, a filter like --reason, or --all");
  }
  const std::string path = session.queue_path(options.queue) + "/dead:" + verb.bulk;
  json::object counting = filter;
  counting["plan"] = true;
  const Outcome<json::value> plan = session.call("POST", path, counting);
  if (!plan) return session.fail(plan.error());
  const std::string count = text_of(*plan, "matched");
  if (count != "0") {
    const std::string question = std::string(verb.bulk) + " " + count +
                                 (count == "1" ? " dead letter" : " dead letters") + " of queue " +
                                 options.queue + "?";
    if (!session.confirmed(options.yes, question)) return exit_refused;
  }
  const Outcome<json::value> done = session.call("POST", path, filter);
  if (!done) return session.fail(done.error());
  if (session.json()) {
    session.print_json(*done);
  } else {
    session.world.out << text_of(*done, verb.done) << ' ' << verb.done << '\n';
  }
  return text_of(*done, "matched") == text_of(*done, verb.done) ? exit_done : exit_refused;
}

int act(Session& session, const DeadOptions& options, const Verb& verb) {
  if (options.tasks.empty()) return act_by_filter(session, options, verb);
  if (options.all || !filter_of(session, options).empty())
    return session.usage("give tasks, or a filter, but not both");
  return each_task(session, options.tasks, [&](const std::string& name) -> Outcome<void> {
    const Outcome<json::value> answer =
        session.call(verb.method, task_path(session, options.queue, name, "dead") + verb.suffix);
    if (!answer) return tl::unexpected(answer.error());
    if (!session.json()) {
      session.world.out << name << ": " << verb.done << '\n';
    } else if (!answer->is_null()) {
      session.print_json(*answer);
    }
    return {};
  });
}

void add_filters(CLI::App& command, const std::shared_ptr<DeadOptions>& options) {
  command.add_option("--reason", options->reason, "Only those: attempts, age, failed or poison")
      ->check(CLI::IsMember({"attempts", "age", "failed", "poison"}))
      ->type_name("REASON");
  command.add_option("--status", options->status, "Only those whose last answer was this")
      ->check(CLI::Range(100, 999))
      ->type_name("N");
  command
      .add_option("--failure", options->failure,
                  "Only those whose last attempt had no answer: timeout, lease_expired, ...")
      ->type_name("WORD");
  CLI::Option* key = command.add_option("--key", options->key, "Only those of this key");
  command.add_option("--since", options->since, "Died then or later: 1h (ago), or an instant")
      ->type_name("TIME");
  command.add_option("--until", options->until, "Died before")->type_name("TIME");
  command.parse_complete_callback([options, key] { options->has_key = key->count() > 0; });
}

}  // namespace

void add_dead_commands(CLI::App& app, Session& session) {
  CLI::App* dead =
      app.add_subcommand("dead", "Tasks that ended without success: ls, show, retry, rm");
  dead->require_subcommand(1);
  const auto add = [&](const char* name, const char* about, auto action) {
    auto options = std::make_shared<DeadOptions>();
    CLI::App* command = dead->add_subcommand(name, about);
    command->add_option("QUEUE", options->queue, "The queue's name")->required();
    command->callback([&session, options, action] {
      session.action = [&session, options, action] { return action(session, *options); };
    });
    return std::pair(command, options);
  };

  const auto [ls, listed] = add("ls", "Dead letters of a queue, those that died first first",
                                [](Session& s, const DeadOptions& o) { return dead_ls(s, o); });
  add_filters(*ls, listed);
  add_max_option(*ls, listed->tasks_max);
  ls->footer("Examples:\n  defer dead ls mail --reason attempts --since 1h");

  const auto [show, shown] = add("show", "All that is known of a dead letter, with its attempts",
                                 [](Session& s, const DeadOptions& o) { return dead_show(s, o); });
  show->add_option("TASK", shown->tasks, "Its id or name; several are done one after the other")
      ->required();
  show->footer("Examples:\n  defer dead show mail welcome-ada");

  for (const Verb* verb : {&retry, &rm}) {
    const auto [command, options] =
        add(verb->name, verb->about,
            [verb](Session& s, const DeadOptions& o) { return act(s, o, *verb); });
    command->add_option("TASK", options->tasks, "Its id or name; several are done one by one");
    add_filters(*command, options);
    command->add_flag("--all", options->all, "All of the queue");
    command->add_flag("--yes", options->yes, "Do not ask");
    const std::string name = verb->name;
    command->footer("Examples:\n  defer dead " + name + " mail welcome-ada\n  defer dead " + name +
                    " mail --status 503 --since 1h");
  }
}

}  // namespace deferd::cli
