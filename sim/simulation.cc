#include "sim/simulation.h"

#include <cstdio>

#include "sim/weather.h"
#include "sim/workload.h"
#include "sim/world.h"

namespace deferd::sim {

namespace {
// Longer than any delay, lease, backoff and jump of a clock together, with room.
constexpr Nanos calm_max = std::chrono::hours(2);

Checker::Options options_of(const Weather& weather) {
  Checker::Options options;
  options.attempts_max = weather.shard.attempts_max;
  options.reads_may_fail = weather.any_mishap() && weather.has(Mishap::fail_reads);
  if (!weather.any_mishap() || !weather.has(Mishap::slow)) {
    // A change waits for the commit under way, lingers, and is committed; a run may be late each
    // time.
    options.settle_within =
        2 * weather.commit_max + Nanos(weather.shard.linger) + 8 * weather.wake_max + Millis(1);
    // Names, tasks and outcomes are read once it is settled, and again when others of them end.
    if (!options.reads_may_fail)
      options.told_within = 6 * options.settle_within + 20 * weather.read_max;
    // A grant is such a change, after a read for each who waits before it.
    if (!options.reads_may_fail)
      options.answer_within = options.settle_within + 200 * weather.read_max + Seconds(5);
  }
  return options;
}
}  // namespace

Outcome simulate(std::uint64_t seed, bool trace) {
  Random random(seed);
  const Weather weather = Weather::choose(random);
  if (trace) std::printf("weather: %s\n", to_text(weather).c_str());
  Checker checker(options_of(weather));
  World world(weather, random.fork(), checker, trace);
  Workload workload(world, weather, random.fork());

  world.open();
  workload.begin();
  while (!workload.storm_is_over() && world.step()) {
  }
  if (!checker.violation()) {
    if (trace) std::printf("the calm begins\n");
    world.calm();
    workload.begin_calm();
    const Mono deadline = world.now().mono + calm_max;
    while (!workload.is_drained() && world.now().mono < deadline && world.step()) {
    }
    // Long polls of the storm end by themselves.
    const Mono last = world.now().mono + Seconds(10);
    while (world.now().mono < last && world.step()) {
    }
    if (!checker.violation()) world.emit(Ended{workload.is_drained()});
  }
  return {checker.violation(), world.calls(), world.events(), checker.marks()};
}

}  // namespace deferd::sim
