// Who calls the engine: random commands in a storm, then, in the calm, a caller who resumes every
// queue and a worker who leases and acks until nothing is left.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "sim/weather.h"
#include "sim/world.h"

namespace deferd::sim {

class Workload {
 public:
  Workload(World& world, const Weather& weather, Random random);

  // Plans the storm: makes the queues, then weather.deeds commands, one after another.
  void begin();
  bool storm_is_over() const { return deeds_left_ == 0; }

  // Then: drains every queue. Done when is_drained(), or never.
  void begin_calm();
  bool is_drained() const { return drained_; }

 private:
  struct Known {
    std::size_t queue = 0;
    TaskRef ref;
  };
  struct Held {
    std::size_t queue = 0;
    Lease lease;
    Wall eta{};
  };

  void next_deed();
  void do_deed(Deed deed);
  void next_mishap();

  void configure(std::size_t queue);
  void add(std::size_t queue);
  void lease(std::size_t queue);
  std::vector<Lease> some_leases(std::size_t queue);
  TaskRef some_task(std::size_t queue);
  void ack(std::size_t queue);
  std::vector<TaskRef> some_tasks(std::size_t queue);
  Micros some_wait();
  void modify(std::size_t queue);
  void list_by_eta(std::size_t queue);
  void list_dead(std::size_t queue, Place after);
  void retry(std::size_t queue, const std::vector<Task>& dead);
  void release(std::size_t queue);
  void limit();
  void walk(std::size_t queue, std::optional<TaskState> state, TaskId after);
  void note(std::size_t queue, const Task& task);
  void tick();
  void drain(const std::vector<QueueInfo>& queues);
  void drain_leases(const QueueName& name, std::uint32_t key);
  bool is_quiet() const;

  QueueName name_of(std::size_t queue) const;
  bool is_push(std::size_t queue) const { return queue < weather_.push_queues; }
  std::size_t some_queue() { return random_.below(weather_.push_queues + weather_.pull_queues); }
  QueueSettings some_settings(std::size_t queue);
  std::string some_key() { return "k" + std::to_string(random_.below(weather_.key_pool)); }

  World& world_;
  const Weather& weather_;
  Random random_;
  Random mishap_random_;
  std::uint32_t deeds_left_ = 0;
  Tag next_tag_ = 1;
  std::vector<Known> known_;
  std::vector<Held> held_;

  // The calm
  Mono calm_from_{};
  Nanos tick_gap_ = Millis(50);
  std::uint64_t tick_ = 0;
  bool drained_ = false;
};

}  // namespace deferd::sim
