// deferd_sim --seeds N [--first S]     N runs, the first failure ends it
// deferd_sim --seed S [--trace]        one run; with --trace every event of it
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/log.h"
#include "sim/simulation.h"

namespace {

using deferd::sim::Checker;
using deferd::sim::Outcome;

// For an assertion of the engine: it aborts, and the seed must be told all the same. Set before a
// run, read by the handler.
char replay_line[64];

void tell_seed(int signal) {
  // Only what a signal handler may do.
  static_cast<void>(!write(STDERR_FILENO, replay_line, std::strlen(replay_line)));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

std::optional<std::uint64_t> number(const char* text) {
  std::uint64_t value = 0;
  const char* const end = text + std::strlen(text);
  const auto [at, error] = std::from_chars(text, end, value);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

int usage() {
  std::fputs(
      "usage: deferd_sim --seeds N [--first S]   run N seeds from S (default 1)\n"
      "       deferd_sim --seed S [--trace]      run one, and print every event\n",
      stderr);
  return 2;
}

void add(Checker::Marks& sum, const Checker::Marks& more) {
  sum.starts += more.starts;
  sum.forced += more.forced;
  sum.leases += more.leases;
  sum.acks += more.acks;
  sum.refused_acks += more.refused_acks;
  sum.stats += more.stats;
  sum.exact_stats += more.exact_stats;
  sum.sightings += more.sightings;
  sum.exact_sightings += more.exact_sightings;
  sum.full += more.full;
  sum.names_taken += more.names_taken;
  sum.names_recent += more.names_recent;
  sum.dropped += more.dropped;
  sum.resurrected += more.resurrected;
  sum.aged += more.aged;
  sum.modified += more.modified;
  sum.modify_refused += more.modify_refused;
  sum.listed += more.listed;
  sum.recurred += more.recurred;
  sum.skipped += more.skipped;
  sum.project_full += more.project_full;
  sum.queue_gone += more.queue_gone;
  sum.outcomes += more.outcomes;
  sum.outcomes_over += more.outcomes_over;
  sum.pending += more.pending;
  sum.cancelled += more.cancelled;
  sum.cut_off += more.cut_off;
  sum.dead += more.dead;
  sum.dead_deleted += more.dead_deleted;
  sum.dead_counted += more.dead_counted;
  sum.retried += more.retried;
  sum.poisoned += more.poisoned;
  sum.called_back += more.called_back;
  sum.forwarded += more.forwarded;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t first = 1;
  std::uint64_t seeds = 1;
  bool trace = false;
  bool given = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--trace") {
      trace = true;
      continue;
    }
    const std::optional<std::uint64_t> value = i + 1 < argc ? number(argv[i + 1]) : std::nullopt;
    if (!value) return usage();
    ++i;
    if (flag == "--seeds") {
      seeds = *value;
      given = true;
    } else if (flag == "--first" || flag == "--seed") {
      first = *value;
      given = given || flag == "--seed";
    } else {
      return usage();
    }
  }
  if (!given) return usage();
  deferd::set_log_level(deferd::LogLevel::off);  // failed reads and commits are what we ask for
  if (trace) std::setvbuf(stdout, nullptr, _IOLBF, 0);  // what an assertion cuts off is wanted most
  std::signal(SIGABRT, tell_seed);
  std::signal(SIGSEGV, tell_seed);

  const auto began = std::chrono::steady_clock::now();
  Checker::Marks marks;
  std::uint64_t calls = 0;
  std::uint64_t events = 0;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    std::snprintf(replay_line, sizeof replay_line, "replay: ./dev sim --seed %llu\n",
                  static_cast<unsigned long long>(seed));
    const Outcome outcome = deferd::sim::simulate(seed, trace);
    calls += outcome.calls;
    events += outcome.events;
    add(marks, outcome.marks);
    if (outcome.violation) {
      std::fflush(stdout);
      std::fprintf(stderr, "seed %llu violates property %d (sim/checker.h): %s\n%s",
                   static_cast<unsigned long long>(seed), outcome.violation->property,
                   outcome.violation->text.c_str(), replay_line);
      return 1;
    }
    if ((seed - first + 1) % 1000 == 0) {
      std::printf("%llu seeds\n", static_cast<unsigned long long>(seed - first + 1));
      std::fflush(stdout);
    }
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  const auto show = [](const char* what, std::uint64_t count) {
    std::printf("%s %llu, ", what, static_cast<unsigned long long>(count));
  };
  std::printf(
      "%llu seeds in %.1f s (%.0f seeds/s), no violation: ", static_cast<unsigned long long>(seeds),
      seconds, static_cast<double>(seeds) / seconds);
  show("calls", calls);
  show("events", events);
  show("attempts", marks.starts);
  show("by hand", marks.forced);
  show("leases", marks.leases);
  show("acks", marks.acks);
  show("refused", marks.refused_acks);
  show("statistics", marks.stats);
  show("exact", marks.exact_stats);
  show("reads", marks.sightings);
  show("exact", marks.exact_sightings);
  show("full queues", marks.full);
  show("names taken", marks.names_taken);
  show("names recent", marks.names_recent);
  show("dropped", marks.dropped);
  show("modified", marks.modified);
  show("not modified", marks.modify_refused);
  show("listed by eta", marks.listed);
  show("recurred", marks.recurred);
  show("skipped", marks.skipped);
  show("full projects", marks.project_full);
  show("names of deleted queues", marks.queue_gone);
  show("outcomes", marks.outcomes);
  show("outcomes over", marks.outcomes_over);
  show("pending", marks.pending);
  show("cancelled", marks.cancelled);
  show("cut off", marks.cut_off);
  show("dead", marks.dead);
  show("dead deleted", marks.dead_deleted);
  show("dead counted", marks.dead_counted);
  show("retried", marks.retried);
  show("poisoned", marks.poisoned);
  show("called back", marks.called_back);
  show("forwarded", marks.forwarded);
  show("too old", marks.aged);
  std::printf("back after a crash %llu\n", static_cast<unsigned long long>(marks.resurrected));
  return 0;
}
