// defer tasks ls|show|rm|run
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "cli/session.h"
#include "cli/table.h"
#include "cli/task_view.h"

namespace deferd::cli {
namespace {

struct ListOptions {
  std::string queue;
  std::string state;
  std::uint64_t tasks_max = 0;
};

int tasks_ls(Session& session, const ListOptions& options) {
  const std::int64_t now = to_micros(session.world.now());
  return list_tasks(
      session,
      {.path = session.queue_path(options.queue) + "/tasks",
       .filter = options.state.empty() ? "" : "&state=" + url_encode(options.state),
       .tasks_max = options.tasks_max,
       .columns = {"STATE", ">PRIORITY", "DUE", ">ATTEMPTS", "KEY", "TARGET"},
       .row =
           [now](const json::value& task) {
             return std::vector{text_of(task, "state"),
                                text_of(task, "priority"),
                                relative(text_of(task, "eta"), now),
                                text_of(task, "attempts"),
                                text_of(task, "key"),
                                printable(text_of(task, "url"), 60)};
           },
       .nothing = "no tasks" + (options.state.empty() ? "" : " that are " + options.state) +
                  " in " + options.queue});
}

struct TaskOptions {
  std::string queue;
  std::vector<std::string> tasks;
};

int tasks_show(Session& session, const TaskOptions& options) {
  return each_task(session, options.tasks, [&](const std::string& name) -> Outcome<void> {
    const Outcome<json::value> task = session.call("GET", task_path(session, options.queue, name));
    if (!task) return tl::unexpected(task.error());
    print_task(session, *task);
    return {};
  });
}

int tasks_rm(Session& session, const TaskOptions& options) {
  return each_task(session, options.tasks, [&](const std::string& name) -> Outcome<void> {
    const Outcome<json::value> removed =
        session.call("DELETE", task_path(session, options.queue, name));
    if (!removed) return tl::unexpected(removed.error());
    if (!session.json()) session.world.out << name << ": removed\n";
    return {};
  });
}

int tasks_run(Session& session, const TaskOptions& options) {
  return each_task(session, options.tasks, [&](const std::string& name) -> Outcome<void> {
    const Outcome<json::value> task = session.call(
        "POST", task_path(session, options.queue, name) + ":run", json::value(json::object()));
    if (!task) return tl::unexpected(task.error());
    if (session.json()) {
      session.print_json(*task);
    } else {
      session.world.out << name << ": started\n";
    }
    return {};
  });
}

}  // namespace

void add_tasks_commands(CLI::App& app, Session& session) {
  CLI::App* tasks = app.add_subcommand("tasks", "Tasks of a queue: ls, show, rm, run");
  tasks->require_subcommand(1);

  auto list = std::make_shared<ListOptions>();
  CLI::App* ls = tasks->add_subcommand("ls", "Tasks of a queue, oldest first");
  ls->add_option("QUEUE", list->queue, "Its name")->required();
  ls->add_option("--state", list->state, "Only those: scheduled, ready, in_flight or leased")
      ->check(CLI::IsMember({"scheduled", "ready", "in_flight", "leased"}))
      ->type_name("STATE");
  add_max_option(*ls, list->tasks_max);
  ls->footer(
      "Examples:\n  defer tasks ls default --state ready\n  defer tasks ls default --json | jq -r "
      ".id");
  ls->callback(
      [&session, list] { session.action = [&session, list] { return tasks_ls(session, *list); }; });

  auto options = std::make_shared<TaskOptions>();
  const auto verb = [&](const char* name, const char* about,
                        int (*act)(Session&, const TaskOptions&)) {
    CLI::App* command = tasks->add_subcommand(name, about);
    command->add_option("QUEUE", options->queue, "The queue's name")->required();
    command
        ->add_option("TASK", options->tasks, "Its id or name; several are done one after the other")
        ->required();
    command->footer("Examples:\n  defer tasks " + std::string(name) + " default welcome-ada");
    command->callback([&session, options, act] {
      session.action = [&session, options, act] { return act(session, *options); };
    });
  };
  verb("show", "All that is known of a task, with its attempts and their logs", tasks_show);
  verb("rm", "Remove a task", tasks_rm);
  verb("run", "Start an attempt now, whatever its time, the rate and a pause say", tasks_run);
}

}  // namespace deferd::cli
