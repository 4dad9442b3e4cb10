// defer stats [QUEUE] [--watch]
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>

#include "cli/session.h"
#include "cli/table.h"
#include "cli/task_view.h"
#include "model/duration_text.h"

namespace deferd::cli {
namespace {

struct StatsOptions {
  std::string queue;
  bool watch = false;
  std::string every = "2s";
};

// Members that are spans, in seconds.
bool is_span(std::string_view name) {
  return name == "oldest_ready" || name == "usage.cpu" || name == "usage.wall" ||
         name.ends_with(".mean") || name.ends_with(".p50") || name.ends_with(".p95") ||
         name.ends_with(".p99");
}

// Members of members become lines of their own: "execution.p95".
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
  std::string text = value.is_string() ? std::string(value.as_string()) : json::serialize(value);
  if (value.is_null()) {
    text = prefix == "enforced_rate" ? "unlimited" : "";
  } else if (value.is_number() && is_span(prefix)) {
    text = span_text(value.to_number<double>());
  } else if (value.is_int64() && value.as_int64() >= 0) {
    text = with_commas(static_cast<std::uint64_t>(value.as_int64()));
  } else if (value.is_double()) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.3g", value.as_double());
    text = digits;
  }
  table.add({prefix, text});
}

std::string oldest_of(const json::value& stats) {
  const json::value* found =
      stats.is_object() ? stats.as_object().if_contains("oldest_ready") : nullptr;
  return found != nullptr && found->is_number() ? span_text(found->to_number<double>()) : "";
}

std::string count_of(const json::value& stats, std::string_view member) {
  const json::value* found = stats.is_object() ? stats.as_object().if_contains(member) : nullptr;
  if (found == nullptr || !found->is_int64() || found->as_int64() < 0)
    return text_of(stats, member);
  return with_commas(static_cast<std::uint64_t>(found->as_int64()));
}

std::string percent_of(const json::value& stats, std::string_view member) {
  const json::value* found = stats.is_object() ? stats.as_object().if_contains(member) : nullptr;
  if (found == nullptr || !found->is_number()) return text_of(stats, member);
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.1f %%", found->to_number<double>() * 100);
  return digits;
}

Outcome<void> show(Session& session, const StatsOptions& options, std::ostream& out) {
  if (!options.queue.empty()) {
    const Outcome<json::value> stats =
        session.call("GET", session.queue_path(options.queue) + "/stats");
    if (!stats) return tl::unexpected(stats.error());
    if (session.json()) {
      session.print_json(*stats);
      return {};
    }
    Table table({"STATISTIC", ">" + options.queue});
    add_lines(table, "", *stats);
    table.print(out);
    return {};
  }
  Table table({"QUEUE", "STATE", ">TASKS", ">READY", ">SCHEDULED", ">IN FLIGHT", ">LEASED",
               ">OLDEST", ">LAST MINUTE", ">FAILED", ">DEAD"});
  std::vector<json::value> queues;
  Outcome<void> walked =
      each_page(session, session.queues_path(), "queues", [&](const json::array& page) {
        queues.insert(queues.end(), page.begin(), page.end());
        return true;
      });
  if (!walked) return walked;
  for (const json::value& queue : queues) {
    const std::string name = text_of(queue, "name");
    const Outcome<json::value> stats = session.call("GET", session.queue_path(name) + "/stats");
    if (!stats) {
      if (stats.error().exit_code == exit_refused) continue;  // removed in the meantime
      return tl::unexpected(stats.error());
    }
    if (session.json()) {
      json::value line = *stats;
      if (line.is_object()) line.as_object()["queue"] = name;
      session.print_json(line);
      continue;
    }
    table.add({name, text_of(queue, "state"), count_of(*stats, "tasks"), count_of(*stats, "ready"),
               count_of(*stats, "scheduled"), count_of(*stats, "in_flight"),
               count_of(*stats, "leased"), oldest_of(*stats), count_of(*stats, "executed_minute"),
               percent_of(*stats, "failure_rate"), count_of(*stats, "dead")});
  }
  if (!session.json()) table.print(out);
  return {};
}

int stats(Session& session, const StatsOptions& options) {
  const Result<Micros> every = parse_duration(options.every);
  if (!every || *every < Millis(100))
    return session.usage("--every: \"" + options.every + "\" is not a duration of 100ms or more");
  do {
    // Written at once, so that a watched screen does not flicker.
    std::ostringstream screen;
    if (options.watch && !session.json()) screen << "\033[H\033[J";
    const Outcome<void> shown = show(session, options, screen);
    if (!shown) return session.fail(shown.error());
    session.world.out << screen.str();
  } while (options.watch && session.heard() && session.world.sleep(*every));
  return exit_done;
}

}  // namespace

void add_stats_command(CLI::App& app, Session& session) {
  auto options = std::make_shared<StatsOptions>();
  CLI::App* command = app.add_subcommand("stats", "What a queue does, or all of them");
  command->add_option("QUEUE", options->queue, "Its name; all queues in a table when not given");
  command->add_flag("-w,--watch", options->watch, "Again and again, until interrupted");
  command->add_option("--every", options->every, "How often with --watch; 2s when not said")
      ->type_name("DURATION");
  command->footer("Examples:\n  defer stats\n  defer stats default --watch --every 500ms");
  command->callback([&session, options] {
    session.action = [&session, options] { return stats(session, *options); };
  });
}

}  // namespace deferd::cli
