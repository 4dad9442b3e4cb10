// Random batches against the model (store/memory), with a clean end, a kill or a power cut between
// any two of them. After each stretch the whole store must read as the model does; after a power
// cut as the model did after one of the batches that were not durable yet.
#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <sstream>

#include "base/testing/seed.h"
#include "store/conformance/suite.h"
#include "store/memory/store.h"

namespace deferd {
namespace {

// Those that a script uses.
constexpr std::array<std::uint8_t, 5> lanes = {3, 4, 5, dead_lane, outgoing_lane};

constexpr Wall origin = wall_from_micros(1'800'000'000'000'000);

class Script {
 public:
  explicit Script(Random random) : random_(random) {
    for (int i = 0; i < 3; ++i) queues_.emplace_back(QueueNumber{next_queue_++});
  }

  Batch next_batch() {
    Batch batch;
    batch.durable = random_.chance(40);
    const auto parts = static_cast<int>(1 + random_.below(3));
    for (int i = 0; i < parts; ++i) {
      Queue& queue = queues_[random_.below(queues_.size())];
      if (touched(batch, queue)) continue;
      change(batch, queue);
    }
    if (random_.chance(2)) {  // purge: what this very batch did to the generation goes too
      Queue& queue = queues_[random_.below(queues_.size())];
      batch.purged.push_back(queue.generation);
      queue.tasks.clear();
      ++queue.generation.number;
      generations_.push_back(queue.generation);
    }
    if (random_.chance(1)) {
      const std::size_t index = random_.below(queues_.size());
      batch.dropped.push_back(queues_[index].generation.queue);
      queues_[index] = Queue(QueueNumber{next_queue_++});
      generations_.push_back(queues_[index].generation);
    }
    if (random_.chance(10)) {
      batch.projects.push_back({"p" + std::to_string(random_.below(3)), random_.below(4)});
      batch.gone.push_back({QueueName{"p", "l", "q" + std::to_string(random_.below(3))},
                            random_.chance(50) ? Wall{} : origin + Millis(random_.below(100))});
    }
    if (random_.chance(5)) {
      batch.sweep_names_before = origin + Millis(random_.between(0, 100));
      batch.sweep_names_max = static_cast<std::uint32_t>(random_.below(5));
    }
    return batch;
  }

  // Everything there is to read, in pages of random sizes, from the beginning and from places in
  // the middle.
  std::vector<Read> everything() {
    std::vector<Read> reads;
    const auto limits = [this] {
      return std::pair(
          static_cast<std::uint32_t>(1 + random_.below(random_.chance(50) ? 5000 : 20)),
          std::uint64_t{1} + random_.below(random_.chance(50) ? 1 << 24 : 2000));
    };
    if (generations_.empty()) {
      for (const Queue& queue : queues_) generations_.push_back(queue.generation);
    }
    for (const Generation& generation : generations_) {
      FindTasks find{generation, {}};
      for (int i = 0; i < 30; ++i) find.ids.push_back(TaskId{random_.below(orders_ + 2)});
      reads.emplace_back(find);
      reads.emplace_back(ScanIds{generation, TaskId{0}, 100'000, std::uint64_t{1} << 40});
      auto [tasks, bytes] = limits();
      reads.emplace_back(ScanIds{generation, TaskId{random_.below(orders_ + 1)}, tasks, bytes});
      for (const std::uint8_t lane : lanes) {
        const Place start{lane, Wall::min(), 0};
        reads.emplace_back(ScanLane{generation, lane, start, 100'000, std::uint64_t{1} << 40});
        reads.emplace_back(ScanPlaces{generation, lane, start, 100'000});
        const Place middle{lane, eta(), random_.below(orders_ + 1)};
        std::tie(tasks, bytes) = limits();
        reads.emplace_back(ScanLane{generation, lane, middle, tasks, bytes});
        reads.emplace_back(ScanPlaces{generation, lane, middle, tasks});
        reads.emplace_back(ScanLane{generation, lane, middle, tasks, bytes, true});
      }
      std::tie(tasks, bytes) = limits();
      reads.emplace_back(ScanKeys{generation, random_.chance(50) ? "" : "aa",
                                  Place{0, eta(), random_.below(orders_ + 1)}, tasks, bytes});
      for (std::uint64_t id = 0; id < history_ids; ++id)
        reads.emplace_back(ScanHistory{generation, TaskId{id}});
      for (const std::string key : {"a", "b", "ab"}) {
        std::tie(tasks, bytes) = limits();
        reads.emplace_back(
            ScanKey{generation, key, Place{0, Wall::min(), 0}, 100'000, std::uint64_t{1} << 40});
        reads.emplace_back(
            ScanKey{generation, key, Place{0, eta(), random_.below(orders_ + 1)}, tasks, bytes});
      }
    }
    for (std::uint64_t queue = 1; queue < next_queue_; ++queue) {
      FindNames find{QueueNumber{queue}, {}};
      for (int i = 0; i < 30; ++i) find.names.push_back("name" + std::to_string(i));
      reads.emplace_back(find);
      FindOutcomes outcomes{QueueNumber{queue}, {}};
      for (int i = 0; i < 10; ++i) outcomes.ids.push_back(TaskId{random_.below(outcome_ids)});
      reads.emplace_back(outcomes);
      reads.emplace_back(ScanOutcomes{QueueNumber{queue}, 1000});
      reads.emplace_back(
          ScanOutcomes{QueueNumber{queue}, static_cast<std::uint32_t>(1 + random_.below(10))});
    }
    return reads;
  }

  // After a crash the script's own picture is that of the model.
  void follow(const MemoryState& model) {
    for (Queue& queue : queues_) {
      queue.tasks.clear();
      const auto answer = std::get<ScanAnswer>(
          model.read(ScanIds{queue.generation, TaskId{0}, 1'000'000, std::uint64_t{1} << 40}));
      for (const Task& task : answer.tasks) queue.tasks[task.id.value] = task;
      queue.outcomes.clear();
      const auto kept =
          std::get<ScanOutcomesAnswer>(model.read(ScanOutcomes{queue.generation.queue, 1'000'000}));
      for (const auto& item : kept.items) queue.outcomes[item.id] = item.kept_until;
    }
  }

 private:
  struct Queue {
    explicit Queue(QueueNumber number) : generation{number, 0} {}
    Generation generation;
    std::map<std::uint64_t, Task> tasks;
    std::map<TaskId, Wall> outcomes;  // with their kept_until
  };
  static constexpr std::uint64_t outcome_ids = 50;
  static constexpr std::uint64_t history_ids = 5;

  bool touched(const Batch& batch, const Queue& queue) const {
    const auto same = [&](const auto& change) { return change.generation == queue.generation; };
    return std::ranges::any_of(batch.puts, same) || std::ranges::any_of(batch.moves, same) ||
           std::ranges::any_of(batch.finishes, same);
  }

  Wall eta() { return origin + Millis(random_.between(-5, 40)); }

  void change(Batch& batch, Queue& queue) {
    // Moves and finishes first: of tasks of earlier batches. Neighbours, or scattered ones.
    const bool scattered = random_.chance(50);
    const std::uint64_t from = queue.tasks.empty() ? 0 : random_.below(queue.tasks.size());
    const std::uint64_t count = random_.chance(20) ? random_.below(400) : random_.below(20);
    const bool finishing = random_.chance(queue.tasks.size() > 1500 ? 90 : 50);
    const Wall one_eta = eta();
    std::vector<Task> chosen;
    std::uint64_t index = 0;
    for (const auto& [id, task] : queue.tasks) {
      if (scattered ? random_.below(queue.tasks.size()) < count
                    : index >= from && index < from + count) {
        chosen.push_back(task);
      }
      ++index;
    }
    const bool one_place = random_.chance(70);
    for (Task& task : chosen) {
      if (finishing) {
        batch.finishes.push_back({queue.generation, task.id, task.place, std::string(task.key())});
        queue.tasks.erase(task.id.value);
        continue;
      }
      Batch::Move move{queue.generation, task.place, task};
      move.task.place.eta = one_place ? one_eta : eta();
      move.task.place.order = ++orders_;
      if (random_.chance(5)) move.task.place.priority = lanes[random_.below(lanes.size())];
      Progress& progress = move.task.progress;
      ++progress.attempts;
      progress.last_status = static_cast<std::int16_t>(random_.between(-5, 503));
      progress.last_attempt = origin + Micros(random_.between(-1'000'000, 1'000'000));
      progress.lease_token = random_.chance(50) ? random_.next() : 0;
      if (random_.chance(10)) progress.run_due = origin + Millis(random_.between(-5, 40));
      progress.lease_is_named = random_.chance(20);
      if (random_.chance(5)) ++progress.deaths;
      if (random_.chance(20)) progress.history_first = progress.history_end++;
      if (random_.chance(5)) {
        progress.death = static_cast<DeathReason>(random_.below(death_reason_count));
        progress.own_priority = static_cast<std::uint8_t>(random_.below(priority_count));
      }
      queue.tasks[task.id.value] = move.task;
      if (random_.chance(50)) move.task.payload = nullptr;
      batch.moves.push_back(std::move(move));
      // An order in between, so that puts and moves to one instant interleave.
      if (random_.chance(5)) put(batch, queue, one_eta);
    }
    if (!finishing || random_.chance(30)) {
      const std::uint64_t puts = random_.chance(3)    ? random_.below(2500)
                                 : random_.chance(20) ? random_.below(150)
                                                      : random_.below(8);
      const bool together = random_.chance(70);
      const Wall puts_eta = eta();
      for (std::uint64_t i = 0; i < puts; ++i) put(batch, queue, together ? puts_eta : eta());
    }
    if (random_.chance(20)) {
      QueueRecord record{.number = queue.generation.queue,
                         .name = QueueName{"p", "l", "q" + std::to_string(random_.below(9))},
                         .settings = QueueSettings::defaults(QueueMode::push),
                         .generation = queue.generation.number};
      record.settings.max_tasks = random_.next() >> random_.below(64);
      if (random_.chance(20)) record.settings.dead = {Seconds(random_.below(9)), orders_, "next"};
      if (random_.chance(20)) record.settings.poison_after = 0;
      if (random_.chance(20)) record.settings.history = static_cast<int>(random_.below(100));
      if (random_.chance(20)) record.settings.result_bytes_max = random_.next();
      if (random_.chance(50)) record.settings.appengine.target = "v" + std::to_string(orders_);
      if (random_.chance(20)) record.settings.appengine.writer_emails = {"a@b", "c@d"};
      if (random_.chance(20)) record.settings.note = "n" + std::to_string(orders_);
      batch.queues.push_back(std::move(record));
    }
    QueueCounters counters;
    counters.tasks = queue.tasks.size();
    counters.last_order = orders_;
    counters.due_from = eta();
    if (random_.chance(50)) counters.dead = {orders_, random_.next()};
    if (random_.chance(20)) counters.outgoing = {1, 100};
    if (random_.chance(20)) counters.outcomes = {queue.outcomes.size(), 100};
    batch.counters.push_back({queue.generation.queue, counters});
    if (random_.chance(30)) change_outcomes(batch, queue);
    if (random_.chance(30)) change_history(batch, queue);
    if (random_.chance(30)) {
      NameEntry entry{TaskId{orders_}, queue.generation.number, {}};
      if (random_.chance(60)) entry.free_at = origin + Millis(random_.between(0, 100));
      batch.names.push_back(
          {queue.generation.queue, "name" + std::to_string(random_.below(30)), entry});
    }
  }

  std::string some_bytes() {
    const std::uint64_t size = 1 + (random_.chance(5) ? random_.below(20'000) : random_.below(100));
    return std::string(size, static_cast<char>('a' + random_.below(26)));
  }

  // Puts, replaces and forgets.
  void change_outcomes(Batch& batch, Queue& queue) {
    for (std::uint64_t i = random_.below(8); i > 0; --i) {
      StoredOutcome outcome{.queue = queue.generation.queue,
                            .id = TaskId{random_.below(outcome_ids)}};
      const auto kept = queue.outcomes.find(outcome.id);
      if (kept != queue.outcomes.end()) {
        outcome.kept_until = kept->second;
        batch.outcomes.push_back(outcome);
        queue.outcomes.erase(kept);
        if (random_.chance(50)) continue;
      }
      outcome.kept_until = eta();
      outcome.bytes = some_bytes();
      outcome.generation = queue.generation.number;
      outcome.history_first = static_cast<std::uint32_t>(random_.below(1000));
      outcome.history_end = outcome.history_first + static_cast<std::uint32_t>(random_.below(100));
      queue.outcomes[outcome.id] = outcome.kept_until;
      batch.outcomes.push_back(std::move(outcome));
    }
  }

  // Attempts of a few tasks, each under a number of its own; numbers that are forgotten may be
  // gone already.
  void change_history(Batch& batch, const Queue& queue) {
    for (std::uint64_t i = random_.below(8); i > 0; --i) {
      const TaskId id{random_.below(history_ids)};
      batch.history.push_back({queue.generation, id, ++attempts_, some_bytes()});
      const auto forgotten = attempts_ - static_cast<std::uint32_t>(random_.below(attempts_));
      if (forgotten != attempts_ && random_.chance(70))
        batch.history.push_back({queue.generation, id, forgotten, {}});
    }
  }

  void put(Batch& batch, Queue& queue, Wall eta) {
    Task task;
    task.id = TaskId{++orders_};
    task.place = Place{random_.chance(80) ? priority_default : lanes[random_.below(lanes.size())],
                       eta, task.id.value};
    task.created = origin + Micros(random_.between(-100, 100));
    const std::uint64_t size = random_.chance(1)   ? random_.below(200'000)
                               : random_.chance(5) ? random_.below(10'000)
                                                   : random_.below(100);
    task.payload = share(std::string(size, static_cast<char>('a' + task.id.value % 26)));
    task.bytes = static_cast<std::uint32_t>(size + task_overhead_bytes);
    if (random_.chance(20)) {
      TaskOptions options;
      const char* const keys[] = {"", "a", "b", "ab"};
      options.key = keys[random_.below(4)];
      if (random_.chance(30)) options.name = "n" + std::to_string(task.id.value);
      if (random_.chance(30)) options.retry.max_attempts = static_cast<int>(random_.between(-1, 9));
      if (random_.chance(30)) options.timeout = Micros(random_.below(1'000'000));
      if (random_.chance(10)) options.keep_result = Seconds(random_.below(9));
      if (random_.chance(10)) options.result_headers = {"X-One", "X-Two"};
      if (random_.chance(10)) options.callback_url = "http://callback/";
      if (random_.chance(10)) options.callback_queue = "callbacks";
      if (random_.chance(10)) options.recurrence = "every " + std::to_string(random_.below(9));
      task.options = std::make_shared<const TaskOptions>(options);
    }
    queue.tasks[task.id.value] = task;
    batch.puts.push_back({queue.generation, task});
  }

  Random random_;
  std::uint64_t next_queue_ = 1;
  std::uint64_t orders_ = 0;
  std::uint32_t attempts_ = 0;
  std::vector<Queue> queues_;
  std::vector<Generation> generations_;  // every one there ever was
};

std::string sorted_text(Store::Loaded loaded) {
  std::ranges::sort(loaded.queues, {},
                    [](const StoredQueue& queue) { return queue.record.number; });
  std::ranges::sort(loaded.projects, {}, &ProjectRecord::project);
  std::ranges::sort(loaded.gone, {}, &GoneQueue::name);
  return to_text(loaded);
}

// The first line in which two texts differ; empty: none.
std::string first_difference(const std::string& got, const std::string& expected) {
  std::istringstream a(got);
  std::istringstream b(expected);
  for (int line = 1;; ++line) {
    std::string left = "(nothing)";
    std::string right = "(nothing)";
    const bool more_left = static_cast<bool>(std::getline(a, left));
    const bool more_right = static_cast<bool>(std::getline(b, right));
    if (!more_left && !more_right) return {};
    if (more_left == more_right && left == right) continue;
    return "line " + std::to_string(line) + "\n  store: " + left + "\n  model: " + right;
  }
}

// The first difference between store and model; empty: none.
std::string difference(Store& store, const MemoryState& model, const std::vector<Read>& reads) {
  const Result<Store::Loaded> loaded = store.load();
  if (!loaded) return "load: " + loaded.error().message;
  const std::string queues = first_difference(sorted_text(*loaded), sorted_text(model.load()));
  if (!queues.empty()) return "queues: " + queues;
  for (std::size_t i = 0; i < reads.size(); ++i) {
    const Result<ReadAnswer> answer = read_and_wait(store, reads[i]);
    const std::string where =
        "read " + std::to_string(i) + " of kind " + std::to_string(reads[i].index()) + ": ";
    if (!answer) return where + answer.error().message;
    const std::string apart = first_difference(to_text(*answer), to_text(model.read(reads[i])));
    if (!apart.empty()) return where + apart;
  }
  return {};
}

TEST_P(StoreConformance, RandomScriptsReadAsTheModelWhateverHappensBetween) {
  Random random(test_seed());
  Script script(random.fork());
  MemoryState model;
  std::deque<Batch>
      tail;  // batches after the last durable one; `settled` is the model without them
  MemoryState settled;
  for (int step = 0; step < 40; ++step) {
    const std::uint64_t batches = 1 + random.below(8);
    for (std::uint64_t i = 0; i < batches; ++i) {
      Batch batch = script.next_batch();
      const bool durable = batch.durable;
      model.apply(batch);
      tail.push_back(batch);
      commit(std::move(batch));
      if (durable) {
        settled = model;
        tail.clear();
      }
    }
    const std::vector<Read> reads = script.everything();
    ASSERT_EQ(difference(store(), model, reads), "") << "step " << step;
    switch (random.below(6)) {
      case 0:
        ASSERT_TRUE(box().reopen());
        ASSERT_EQ(difference(store(), model, reads), "") << "reopened, step " << step;
        break;
      case 1:
        ASSERT_TRUE(box().kill(random));
        ASSERT_EQ(difference(store(), model, reads), "") << "killed, step " << step;
        break;
      case 2: {
        ASSERT_TRUE(box().power_cut(random));
        // Which of the batches that were not durable survived? All up to some one.
        MemoryState candidate = settled;
        std::string closest = difference(store(), candidate, reads);
        for (auto batch = tail.begin(); !closest.empty() && batch != tail.end(); ++batch) {
          candidate.apply(*batch);
          closest = difference(store(), candidate, reads);
        }
        ASSERT_EQ(closest, "") << "after a power cut no prefix of " << tail.size()
                               << " batches matches, step " << step;
        model = settled = candidate;
        tail.clear();
        script.follow(model);
        break;
      }
      default:
        break;
    }
  }
}

}  // namespace
}  // namespace deferd
