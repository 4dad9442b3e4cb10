// What a seed chooses before a run begins: not only the dice but the weather. Some runs have no
// faults at all, some lose power every few seconds; some do nothing but lease, some never name a
// task. Bugs hide where common things are absent, so every kind of thing is absent from some runs
// and frequent in others.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/random.h"
#include "base/time.h"
#include "engine/shard_core.h"

namespace deferd::sim {

enum class Deed : std::uint8_t {
  configure,
  delete_queue,
  get_queue,
  list_queues,
  pause,
  resume,
  purge,
  stats,
  add,
  get,
  list,
  remove,
  run,
  lease,
  ack,
  renew,
  release,
  modify,
  list_by_eta,
  limit,
  project_use,
  cancel,
  outcomes,
  watch,
  list_dead,
  get_dead,
  delete_dead,
  retry_dead,
};
constexpr std::size_t deed_count = 28;
constexpr std::size_t first_extra_deed = 17;  // those from here on only in some runs
constexpr std::size_t first_outcome_deed = 21;
constexpr std::size_t first_dead_deed = 24;
constexpr std::size_t first_retry_deed = 27;

enum class Mishap : std::uint8_t {
  stop,         // a clean end and a new start
  kill,         // kill -9: what was committed survives
  power_cut,    // what was durable survives
  fail_commit,  // one commit fails, and all after it until a restart
  tear_commit,  // the same, but the batch may be on the disk
  full,         // the disk is full
  slow,         // commits take a hundred times as long, for a while
  fail_reads,   // reads fail, for a while
  clock_ahead,  // the wall clock jumps
  clock_back,
};
constexpr std::size_t mishap_count = 10;

struct Weather {
  static Weather choose(Random& random);

  // ---- How much
  std::uint32_t deeds = 0;  // commands until the calm
  Nanos gap_max{};          // between two of them, at most
  std::array<std::uint32_t, deed_count> deed_weights{};

  // ---- Queues and tasks
  std::uint32_t push_queues = 1;
  std::uint32_t pull_queues = 1;
  std::uint32_t batch_max = 1;
  std::uint32_t name_percent = 0;
  std::uint32_t name_pool = 1;
  std::uint32_t key_percent = 0;
  std::uint32_t key_pool = 1;
  std::uint32_t priority_percent = 0;  // of tasks that ask for one of their own
  std::uint32_t priority_pool = 1;
  std::uint32_t delay_percent = 0;
  Micros delay_max{};
  std::uint32_t past_percent = 0;     // of ETAs that lie in the past
  std::uint32_t options_percent = 0;  // of tasks with retries or a timeout of their own
  std::size_t payload_max = 0;
  std::uint32_t recurring_percent = 0;  // of tasks of push queues
  Micros span_max{};                    // between two times of such a task
  bool leases_by_end = false;           // holders know them by their ends, not by tokens
  Micros ttl_max{};                     // of tasks, in queues that have a task_ttl; 0: none has
  std::uint32_t keep_percent = 0;       // of tasks that ask for their outcome
  Micros keep_max{};                    // how long at most
  bool tight_results = false;           // result_bytes_max of a few
  std::uint32_t fail_percent = 0;       // of acks that say that trying again is of no use
  bool tight_dead = false;              // dead letters of a few bytes, or for a short while
  std::uint32_t named_percent = 0;      // of leases by workers that give their names
  std::uint32_t death_percent = 0;      // of releases that report that the worker died
  std::uint32_t callback_percent = 0;   // of tasks that ask for a callback
  bool forwards = false;                // the dead of some queues go on to others
  Nanos forward_max{};                  // how long that takes
  bool slow_rates = false;
  bool tight_limits = false;  // max_tasks, max_bytes, max_attempts, concurrency of a few
  Micros tombstone_max{};
  Micros lease_max{};
  Micros wait_max{};

  // ---- The engine's sizes
  ShardOptions shard;
  Nanos wake_max{};  // from a wake-up to the run

  // ---- Store
  Nanos commit_min{};
  Nanos commit_max{};
  Nanos read_min{};
  Nanos read_max{};

  // ---- Targets and workers
  std::uint32_t succeed_percent = 100;
  std::uint32_t hang_percent = 0;
  std::uint32_t retry_after_percent = 0;
  Micros target_max{};
  std::uint32_t careful_percent = 100;  // of lease calls that name what is held, once, in time

  // ---- Faults
  std::array<bool, mishap_count> mishaps{};
  Nanos mishap_gap_max{};  // 0: none
  Micros jump_max{};
  bool has(Mishap mishap) const { return mishaps[static_cast<std::size_t>(mishap)]; }
  bool any_mishap() const { return mishap_gap_max > Nanos(0); }
};

std::string to_text(const Weather& weather);

}  // namespace deferd::sim
