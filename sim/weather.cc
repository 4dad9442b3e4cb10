#include "sim/weather.h"

#include <algorithm>

namespace deferd::sim {

namespace {
template <class T, std::size_t n>
T pick(Random& random, const T (&from)[n]) {
  return from[random.below(n)];
}
std::uint32_t percent(Random& random) {
  static constexpr std::uint32_t usual[] = {0, 0, 5, 20, 50, 90, 100};
  return pick(random, usual);
}
}  // namespace

Weather Weather::choose(Random& random) {
  Weather w;
  static constexpr std::uint32_t deeds[] = {100, 200, 400, 800};
  w.deeds = pick(random, deeds);
  static constexpr Nanos gaps[] = {Micros(200), Millis(2), Millis(20), Millis(100), Millis(400)};
  w.gap_max = pick(random, gaps);
  static constexpr std::uint32_t weights[] = {0, 1, 4, 10};
  for (std::size_t deed = 0; deed < first_extra_deed; ++deed)
    w.deed_weights[deed] = pick(random, weights);
  const auto weight_of = [&w](Deed deed) -> std::uint32_t& {
    return w.deed_weights[static_cast<std::size_t>(deed)];
  };
  weight_of(Deed::add) = std::max(weight_of(Deed::add), 4U) * 3;
  // What clears everything is rare, or there is never much to clear.
  weight_of(Deed::purge) = random.chance(30) ? 1 : 0;
  weight_of(Deed::delete_queue) = random.chance(30) ? 1 : 0;
  weight_of(Deed::configure) = std::min(weight_of(Deed::configure), 2U);
  weight_of(Deed::list_queues) = std::min(weight_of(Deed::list_queues), 1U);
  weight_of(Deed::get_queue) = std::min(weight_of(Deed::get_queue), 1U);
  if (weight_of(Deed::pause) > 0) {
    weight_of(Deed::pause) = 1;
    weight_of(Deed::resume) = std::max(1U, weight_of(Deed::resume));
  }

  w.push_queues = static_cast<std::uint32_t>(random.below(3));
  w.pull_queues = static_cast<std::uint32_t>(random.below(3));
  if (w.push_queues + w.pull_queues == 0) w.push_queues = 1;
  if (w.pull_queues > 0) {
    weight_of(Deed::lease) = std::max(weight_of(Deed::lease), 4U);
    weight_of(Deed::ack) = std::max(weight_of(Deed::ack), 1U);
  }
  static constexpr std::uint32_t batches[] = {1, 1, 3, 10, 40};
  w.batch_max = pick(random, batches);
  w.name_percent = percent(random);
  w.name_pool = pick(random, {2U, 5U, 20U, 200U});
  w.key_percent = percent(random);
  w.key_pool = pick(random, {1U, 2U, 5U});
  w.priority_percent = percent(random);
  w.priority_pool = pick(random, {2U, 3U, 10U});
  w.delay_percent = percent(random);
  w.delay_max = pick(
      random, {Micros(Millis(5)), Micros(Millis(200)), Micros(Seconds(3)), Micros(Seconds(30))});
  w.past_percent = pick(random, {0U, 20U, 60U});
  w.options_percent = pick(random, {0U, 0U, 30U, 100U});
  w.payload_max = pick(random, {std::size_t{8}, std::size_t{50}, std::size_t{400}});
  w.slow_rates = random.chance(40);
  w.tight_limits = random.chance(50);
  w.tombstone_max =
      pick(random, {Micros(0), Micros(Millis(100)), Micros(Seconds(2)), Micros(Seconds(60))});
  w.lease_max = pick(random, {Micros(Millis(20)), Micros(Millis(500)), Micros(Seconds(10))});
  w.wait_max = pick(random, {Micros(0), Micros(Millis(50)), Micros(Seconds(3))});

  w.shard.window_tasks_max =
      pick(random, {std::size_t{4}, std::size_t{8}, std::size_t{16}, std::size_t{64}});
  w.shard.window_tasks_shard_max = pick(random, {std::size_t{8}, std::size_t{1000}});
  w.shard.window_tasks_crowded = pick(random, {std::size_t{2}, std::size_t{4}});
  w.shard.payload_bytes_max = pick(
      random, {std::uint64_t{0}, std::uint64_t{100}, std::uint64_t{1000}, std::uint64_t{1} << 20});
  w.shard.attempts_max = pick(random, {1U, 3U, 10U, 20'000U});
  w.shard.leases_in_memory_max = pick(random, {std::size_t{0}, std::size_t{3}, std::size_t{1000}});
  w.shard.lease_bytes_max =
      pick(random, {std::uint64_t{1}, std::uint64_t{200}, std::uint64_t{1} << 20});
  w.shard.linger = pick(random, {Micros(0), Micros(Millis(2)), Micros(Millis(20))});
  w.shard.linger_changes_max = pick(random, {std::size_t{1}, std::size_t{1024}});
  w.shard.sweep_interval = pick(random, {Micros(Millis(50)), Micros(Seconds(60))});
  w.shard.read_retry = pick(random, {Micros(Millis(20)), Micros(Seconds(1))});
  w.wake_max = pick(random, {Nanos(0), Nanos(Micros(50)), Nanos(Millis(2))});

  w.commit_max = pick(random, {Nanos(0), Nanos(Micros(200)), Nanos(Millis(5)), Nanos(Millis(50))});
  w.commit_min = w.commit_max / pick(random, {1, 2, 100});
  w.read_max = pick(random, {Nanos(0), Nanos(Micros(100)), Nanos(Millis(5)), Nanos(Millis(50))});
  w.read_min = w.read_max / pick(random, {1, 2, 100});

  w.succeed_percent = pick(random, {100U, 90U, 50U, 10U, 0U});
  w.hang_percent = pick(random, {0U, 0U, 10U, 50U});
  w.retry_after_percent = pick(random, {0U, 0U, 50U});
  w.target_max =
      pick(random, {Micros(0), Micros(Millis(1)), Micros(Millis(30)), Micros(Seconds(1))});
  w.careful_percent = pick(random, {100U, 90U, 60U, 30U});

  if (random.chance(60)) {
    for (bool& on : w.mishaps) on = random.chance(25);
    static constexpr Nanos mishap_gaps[] = {Millis(50), Millis(300), Seconds(2), Seconds(10)};
    if (std::ranges::find(w.mishaps, true) != w.mishaps.end())
      w.mishap_gap_max = pick(random, mishap_gaps);
  }
  w.jump_max = pick(random, {Micros(Millis(3)), Micros(Seconds(1)), Micros(Seconds(100))});

  // Of dice of their own, so that a seed without these is what it was before there were any.
  Random extra = Random(random).fork();
  if (extra.chance(60)) {
    for (std::size_t deed = first_extra_deed; deed < first_outcome_deed; ++deed)
      w.deed_weights[deed] = pick(extra, weights);
    if (w.pull_queues > 0) weight_of(Deed::modify) = std::max(weight_of(Deed::modify), 1U);
    weight_of(Deed::limit) = std::min(weight_of(Deed::limit), 1U);
    w.recurring_percent = pick(extra, {0U, 5U, 30U});
    w.span_max = pick(extra, {Micros(Millis(10)), Micros(Millis(500)), Micros(Seconds(5))});
  }
  w.leases_by_end = extra.chance(20);
  w.shard.due_slots_max = pick(extra, {std::size_t{4}, std::size_t{16}, std::size_t{1024}});
  w.ttl_max = pick(extra, {Micros(0), Micros(0), Micros(Seconds(1)), Micros(Seconds(20))});
  // And these of theirs.
  Random outcomes = Random(extra).fork();
  if (outcomes.chance(60)) {
    for (std::size_t deed = first_outcome_deed; deed < first_dead_deed; ++deed)
      w.deed_weights[deed] = pick(outcomes, weights);
    w.keep_percent = pick(outcomes, {20U, 50U, 100U});
    w.keep_max = pick(outcomes, {Micros(Millis(100)), Micros(Seconds(5)), Micros(Seconds(600))});
    w.tight_results = outcomes.chance(30);
    w.fail_percent = pick(outcomes, {0U, 20U});
  }
  Random deaths = Random(outcomes).fork();
  if (deaths.chance(60)) {
    for (std::size_t deed = first_dead_deed; deed < first_retry_deed; ++deed)
      w.deed_weights[deed] = pick(deaths, weights);
    w.tight_dead = deaths.chance(20);
    w.fail_percent = std::max(w.fail_percent, pick(deaths, {0U, 20U, 60U}));
  }
  Random returns = Random(deaths).fork();
  if (returns.chance(50)) {
    for (std::size_t deed = first_retry_deed; deed < deed_count; ++deed)
      w.deed_weights[deed] = std::max(1U, pick(returns, weights));
    if (weight_of(Deed::list_dead) == 0) weight_of(Deed::list_dead) = 1;
  }
  if (returns.chance(40)) {
    w.named_percent = pick(returns, {50U, 100U});
    w.death_percent = pick(returns, {0U, 30U, 100U});
  }
  if (returns.chance(40)) {
    w.callback_percent = pick(returns, {20U, 100U});
    w.push_queues = std::max(1U, w.push_queues);
  }
  if (returns.chance(40)) {
    w.forwards = true;
    if (w.push_queues > 0) w.push_queues = 2;
    if (w.pull_queues > 0) w.pull_queues = 2;
  }
  w.forward_max = pick(returns, {Nanos(0), Nanos(Millis(1)), Nanos(Seconds(1))});
  return w;
}

std::string to_text(const Weather& w) {
  std::string out = "deeds " + std::to_string(w.deeds) + " gap_us " +
                    std::to_string(w.gap_max.count() / 1000) + " push " +
                    std::to_string(w.push_queues) + " pull " + std::to_string(w.pull_queues) +
                    " window " + std::to_string(w.shard.window_tasks_max) + " payload_bytes " +
                    std::to_string(w.shard.payload_bytes_max) + " leases_in_memory " +
                    std::to_string(w.shard.leases_in_memory_max) + " commit_us " +
                    std::to_string(w.commit_max.count() / 1000) + " read_us " +
                    std::to_string(w.read_max.count() / 1000) + " succeed " +
                    std::to_string(w.succeed_percent) + "% mishaps";
  static constexpr const char* names[] = {"stop",        "kill",      "power_cut", "fail_commit",
                                          "tear_commit", "full",      "slow",      "fail_reads",
                                          "clock_ahead", "clock_back"};
  bool any = false;
  for (std::size_t i = 0; i < mishap_count; ++i) {
    if (!w.any_mishap() || !w.mishaps[i]) continue;
    out += std::string(" ") + names[i];
    any = true;
  }
  return out + (any ? "" : " none");
}

}  // namespace deferd::sim
