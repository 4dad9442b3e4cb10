#include "cli/task_view.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "cli/table.h"
#include "model/duration_text.h"

namespace deferd::cli {
namespace {

bool is_instant(std::string_view member) {
  return member == "eta" || member == "created" || member == "died" || member == "ended" ||
         member == "kept_until";
}

std::string span_of(const json::value& object, std::string_view member) {
  const json::value* found = object.is_object() ? object.as_object().if_contains(member) : nullptr;
  return found != nullptr && found->is_number() ? span_text(found->to_number<double>()) : "";
}

// "exited 3", "signalled 9", "out_of_memory".
std::string end_of(const json::value& usage) {
  const std::string cause = text_of(usage, "cause");
  if (cause == "exited") return cause + " " + text_of(usage, "code");
  if (cause == "signalled") return cause + " " + text_of(usage, "signal");
  return cause;
}

void print_history(std::ostream& out, const json::array& history, std::int64_t now) {
  Table table({">ATTEMPT", "STARTED", ">TOOK", "ANSWER", "END", ">CPU", "WORKER", "ERROR"});
  for (const json::value& attempt : history) {
    const json::value* found =
        attempt.is_object() ? attempt.as_object().if_contains("usage") : nullptr;
    const json::value usage = found == nullptr ? json::value() : *found;
    table.add({text_of(attempt, "attempt"), relative(text_of(attempt, "started"), now),
               span_of(attempt, "duration"),
               text_of(attempt, "status") + text_of(attempt, "failure"), end_of(usage),
               span_of(usage, "cpu"), printable(text_of(attempt, "worker"), 40),
               printable(text_of(attempt, "error"), 100)});
  }
  table.print(out);
  for (const json::value& attempt : history) {
    const std::string log = text_of(attempt, "log");
    if (log.empty()) continue;
    out << "\nlog of attempt " << text_of(attempt, "attempt") << ":\n";
    for (std::size_t begin = 0; begin < log.size();) {
      const std::size_t end = std::min(log.find('\n', begin), log.size());
      out << "  " << printable(std::string_view(log).substr(begin, end - begin), 2000) << '\n';
      begin = end + 1;
    }
  }
}

}  // namespace

int list_tasks(Session& session, const TaskList& list) {
  constexpr std::uint64_t screenful = 100;
  const std::uint64_t most = list.tasks_max > 0 ? list.tasks_max
                             : session.json()   ? UINT64_MAX
                                                : screenful;
  std::uint64_t shown = 0;
  bool more = false;
  std::vector<std::string> columns = list.columns;
  columns.insert(columns.begin(), "TASK");
  Table table(std::move(columns));
  const std::string path =
      list.path + "?page_size=" + std::to_string(std::min<std::uint64_t>(most, 1000)) + list.filter;
  const Outcome<void> walked = each_page(session, path, "tasks", [&](const json::array& tasks) {
    for (const json::value& task : tasks) {
      if (shown == most) {
        more = true;
        return false;
      }
      ++shown;
      if (session.json()) {
        session.print_json(task);
        continue;
      }
      const std::string name = text_of(task, "name");
      std::vector<std::string> row = list.row(task);
      row.insert(row.begin(), name.empty() ? text_of(task, "id") : name);
      table.add(std::move(row));
    }
    // A full page may be followed by more; a stop here saves asking.
    more = shown == most;
    return session.heard() && shown < most;
  });
  if (!walked) return session.fail(walked.error());
  if (session.json()) return exit_done;
  if (table.empty()) {
    session.world.out << list.nothing << '\n';
    return exit_done;
  }
  table.print(session.world.out);
  if (more) session.world.out << "the first " << with_commas(shown) << "; --max N shows more\n";
  return exit_done;
}

void add_max_option(CLI::App& command, std::uint64_t& tasks_max) {
  command.add_option("--max", tasks_max, "At most so many; 100 when not said, all as JSON")
      ->type_name("N");
}

int each_task(Session& session, const std::vector<std::string>& tasks,
              const std::function<Outcome<void>(const std::string&)>& act) {
  int exit_code = exit_done;
  for (const std::string& task : tasks) {
    const Outcome<void> done = act(task);
    if (done) continue;
    Failure failure = done.error();
    failure.message = task + ": " + failure.message;
    const int code = session.fail(failure);
    if (exit_code == exit_done) exit_code = code;
    if (code == exit_unreachable) break;
  }
  return exit_code;
}

std::string task_path(const Session& session, const std::string& queue, const std::string& task,
                      const char* collection) {
  return session.queue_path(queue) + "/" + collection + "/" + url_encode(task);
}

void print_task(Session& session, const json::value& task) {
  if (session.json()) {
    session.print_json(task);
    return;
  }
  Table table({"MEMBER", "VALUE"});
  const std::int64_t now = to_micros(session.world.now());
  if (task.is_object()) {
    for (const auto& member : task.as_object()) {
      if (member.key() == "history") continue;
      std::string value = text_of(task, member.key());
      if (is_instant(member.key())) value += " (" + relative(value, now) + ")";
      table.add({std::string(member.key()), value});
    }
  }
  table.print(session.world.out);
  const json::array history = array_of(task, "history");
  if (history.empty()) return;
  session.world.out << '\n';
  print_history(session.world.out, history, now);
}

std::string span_text(double seconds) {
  if (seconds >= 60) return format_duration(Seconds(static_cast<std::int64_t>(seconds)));
  char digits[32];
  const bool whole = seconds >= 1;
  std::snprintf(digits, sizeof digits, "%.3g%s", whole ? seconds : seconds * 1000,
                whole ? "s" : "ms");
  return digits;
}

}  // namespace deferd::cli
