// defer queues ls|show|set|pause|resume|purge|rm
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "cli/session.h"
#include "cli/table.h"

namespace deferd::cli {
namespace {

// What a queue says, one setting a line; members of members are written "retry.max_attempts".
void add_lines(Table& table, const std::string& prefix, const json::value& value) {
  if (value.is_object()) {
    for (const auto& member : value.as_object()) {
      add_lines(
          table,
          prefix.empty() ? std::string(member.key()) : prefix + "." + std::string(member.key()),
          member.value());
    }
    return;
  }
  table.add({prefix, value.is_string() ? std::string(value.as_string()) : json::serialize(value)});
}

int print_queue(Session& session, const json::value& queue) {
  if (session.json()) {
    session.print_json(queue);
  } else {
    Table table({"SETTING", "VALUE"});
    add_lines(table, "", queue);
    table.print(session.world.out);
  }
  return exit_done;
}

int queues_ls(Session& session) {
  Table table(
      {"QUEUE", "MODE", "STATE", "RATE", ">BURST", ">CONCURRENCY", ">PRIORITY", ">MAX ATTEMPTS"});
  const Outcome<void> walked =
      each_page(session, session.queues_path(), "queues", [&](const json::array& queues) {
        for (const json::value& queue : queues) {
          if (session.json()) {
            session.print_json(queue);
            continue;
          }
          const json::value* retry =
              queue.is_object() ? queue.as_object().if_contains("retry") : nullptr;
          table.add({text_of(queue, "name"), text_of(queue, "mode"), text_of(queue, "state"),
                     text_of(queue, "rate"), text_of(queue, "burst"), text_of(queue, "concurrency"),
                     text_of(queue, "priority"),
                     retry == nullptr ? "" : text_of(*retry, "max_attempts")});
        }
        return session.heard();
      });
  if (!walked) return session.fail(walked.error());
  if (!session.json()) table.print(session.world.out);
  return exit_done;
}

// The settings of a queue as flags: only what is given is sent, so the rest stays as it is.
struct SetOptions {
  std::string queue;
  // Flag without its dashes, member of the request, whether the value is a number.
  struct Member {
    const char* flag;
    const char* member;
    bool number;
    const char* about;
  };
  static constexpr Member members[] = {
      {"mode", "mode", false, "push or pull; fixed once the queue exists"},
      {"rate", "rate", false, "Attempts started: 5/s, 0.25/s, 10/m, 0 (none), unlimited"},
      {"burst", "burst", true, "Attempts at once after a rest"},
      {"concurrency", "concurrency", true, "Attempts running at once"},
      {"attempt-timeout", "timeout", false, "The longest that one attempt may take: 10s, 5m"},
      {"priority", "priority", true, "Of tasks that give none: 0 lowest .. 9 highest"},
      {"max-tasks", "max_tasks", true, "How many tasks the queue takes; 0 is no limit"},
      {"max-bytes", "max_bytes", true, "How many bytes of tasks the queue takes; 0 is no limit"},
      {"tombstone", "tombstone", false, "How long the name of an ended task stays taken"},
      {"task-ttl", "task_ttl", false, "Age at which a task is dropped, run or not; 0s is never"},
      {"dead-keep", "dead.keep", false, "How long dead letters are kept; 0s is not at all"},
      {"dead-max-bytes", "dead.max_bytes", true, "What they may take; the oldest go first"},
      {"dead-queue", "dead.queue", false, "Where they go on to; '' keeps them here"},
      {"poison-after", "poison_after", true,
       "Pull: deaths of workers after which a task is dead; 0 is never"},
      {"history", "history", true, "Attempts of a task that are remembered"},
      {"results-max-bytes", "results.max_bytes", true, "What kept results may take"},
      {"max-attempts", "retry.max_attempts", true,
       "Attempts until a task is given up; -1 is no limit"},
      {"max-age", "retry.max_age", false, "Age at which a task is given up; 0s is no limit"},
      {"min-backoff", "retry.min_backoff", false, "Wait after the first failure"},
      {"max-backoff", "retry.max_backoff", false, "Longest wait between attempts"},
      {"max-doublings", "retry.max_doublings", true,
       "How often the wait doubles before it grows evenly"},
  };
  std::string values[std::size(members)];
};

int queues_set(Session& session, const SetOptions& options, const std::vector<bool>& given) {
  json::object body;
  for (std::size_t i = 0; i < std::size(options.members); ++i) {
    if (!given[i]) continue;
    const SetOptions::Member& member = options.members[i];
    json::value value = json::value(options.values[i]);
    if (member.number) {
      json::error_code error;
      value = json::parse(options.values[i], error);
      if (error || !(value.is_int64() || value.is_uint64())) {
        return session.usage("--" + std::string(member.flag) + ": \"" + options.values[i] +
                             "\" is not a whole number");
      }
    }
    const std::string_view name = member.member;
    const std::size_t dot = name.find('.');
    if (dot == name.npos) {
      body[name] = std::move(value);
      continue;
    }
    json::value& group = body[name.substr(0, dot)];
    if (group.is_null()) group = json::object();
    group.as_object()[name.substr(dot + 1)] = std::move(value);
  }
  const Outcome<json::value> queue = session.call("PUT", session.queue_path(options.queue), body);
  if (!queue) return session.fail(queue.error());
  return print_queue(session, *queue);
}

// pause, resume, purge: one POST, and the queue as it is then.
int queues_act(Session& session, const std::string& queue, const char* verb, const char* done) {
  const Outcome<json::value> answer =
      session.call("POST", session.queue_path(queue) + ":" + verb, json::value(json::object()));
  if (!answer) return session.fail(answer.error());
  if (session.json()) {
    session.print_json(*answer);
  } else {
    session.world.out << queue << ": " << done << '\n';
  }
  return exit_done;
}

}  // namespace

void add_queues_commands(CLI::App& app, Session& session) {
  CLI::App* queues =
      app.add_subcommand("queues", "Queues: ls, show, set, pause, resume, purge, rm");
  queues->require_subcommand(1);

  CLI::App* ls = queues->add_subcommand("ls", "All queues");
  ls->footer("Examples:\n  defer queues ls\n  defer queues ls --json | jq -r .name");
  ls->callback([&session] { session.action = [&session] { return queues_ls(session); }; });

  auto queue = std::make_shared<std::string>();
  auto yes = std::make_shared<bool>(false);
  const auto verb = [&](const char* name, const char* about) {
    CLI::App* command = queues->add_subcommand(name, about);
    command->add_option("QUEUE", *queue, "Its name")->required();
    return command;
  };

  CLI::App* show = verb("show", "Settings of one queue");
  show->footer("Examples:\n  defer queues show default");
  show->callback([&session, queue] {
    session.action = [&session, queue] {
      const Outcome<json::value> found = session.call("GET", session.queue_path(*queue));
      return found ? print_queue(session, *found) : session.fail(found.error());
    };
  });

  auto set = std::make_shared<SetOptions>();
  CLI::App* set_command =
      queues->add_subcommand("set", "Make a queue, or change what is given of one");
  set_command->add_option("QUEUE", set->queue, "Its name")->required();
  std::vector<CLI::Option*> flags;
  for (std::size_t i = 0; i < std::size(set->members); ++i) {
    const SetOptions::Member& member = set->members[i];
    flags.push_back(
        set_command->add_option("--" + std::string(member.flag), set->values[i], member.about)
            ->type_name(member.number ? "N" : "TEXT"));
  }
  set_command->footer(
      "Examples:\n  defer queues set mail --rate 5/s --concurrency 20\n  defer queues set results "
      "--mode pull");
  set_command->callback([&session, set, flags] {
    std::vector<bool> given;
    for (const CLI::Option* flag : flags) given.push_back(flag->count() > 0);
    session.action = [&session, set, given] { return queues_set(session, *set, given); };
  });

  CLI::App* pause = verb("pause", "Start no further attempts; tasks are still taken in");
  pause->callback([&session, queue] {
    session.action = [&session, queue] { return queues_act(session, *queue, "pause", "paused"); };
  });
  CLI::App* resume = verb("resume", "Start attempts again");
  resume->callback([&session, queue] {
    session.action = [&session, queue] { return queues_act(session, *queue, "resume", "running"); };
  });

  CLI::App* purge = verb("purge", "Remove all tasks of a queue, for good");
  purge->add_flag("--yes", *yes, "Do not ask");
  purge->callback([&session, queue, yes] {
    session.action = [&session, queue, yes] {
      if (!session.confirmed(*yes, "remove all tasks of queue " + *queue + "?"))
        return exit_refused;
      return queues_act(session, *queue, "purge", "purged");
    };
  });
  CLI::App* rm = verb("rm", "Remove a queue with all its tasks, for good");
  rm->add_flag("--yes", *yes, "Do not ask");
  rm->callback([&session, queue, yes] {
    session.action = [&session, queue, yes] {
      if (!session.confirmed(*yes, "remove queue " + *queue + " and all its tasks?"))
        return exit_refused;
      const Outcome<json::value> removed = session.call("DELETE", session.queue_path(*queue));
      if (!removed) return session.fail(removed.error());
      if (!session.json()) session.world.out << *queue << ": removed\n";
      return exit_done;
    };
  });
}

}  // namespace deferd::cli
