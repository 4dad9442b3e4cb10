#include "store/memory/store.h"

#include <algorithm>
#include <iterator>
#include <type_traits>

#include "base/assert.h"

namespace deferd {

// ---- MemoryState ----

void MemoryState::apply(const Batch& batch) {
  // First, so that a name whose tombstone is swept here can be taken anew by the same batch.
  if (batch.sweep_names_before) sweep(*batch.sweep_names_before, batch.sweep_names_max);

  for (const QueueRecord& record : batch.queues) {
    queues_[record.number].record = record;
    next_number_ = std::max(next_number_, QueueNumber{record.number.value + 1});
  }
  for (const Batch::Put& change : batch.puts) {
    DEFERD_ASSERT(change.task.payload != nullptr, "task", change.task.id);
    DEFERD_ASSERT(change.task.place.order == change.task.id.value, "task", change.task.id);
    put(tasks_[change.generation], change.task);
  }
  for (const Batch::Move& change : batch.moves) {
    Tasks& tasks = tasks_[change.generation];
    const auto found = tasks.by_id.find(change.task.id);
    DEFERD_ASSERT(found != tasks.by_id.end(), "moved task is not there:", change.task.id);
    Task task = found->second;
    forget(tasks, task.id, change.from);
    task.place = change.task.place;
    task.progress = change.task.progress;
    put(tasks, task);
  }
  for (const Batch::Finish& change : batch.finishes) {
    forget(tasks_[change.generation], change.id, change.place);
  }
  for (const Batch::SetName& change : batch.names) {
    auto& names = names_[change.queue];
    if (const auto old = names.find(change.name); old != names.end()) {
      tombstones_.erase({old->second.free_at, change.queue, change.name});
    }
    names[change.name] = change.entry;
    if (change.entry.free_at != Wall{}) {
      tombstones_.insert({change.entry.free_at, change.queue, change.name});
    }
  }
  for (const Batch::SetCounters& change : batch.counters) {
    if (const auto queue = queues_.find(change.queue); queue != queues_.end()) {
      queue->second.counters = change.counters;
    }
  }
  for (const ProjectRecord& project : batch.projects) {
    if (project.bytes_max == 0) {
      projects_.erase(project.project);
    } else {
      projects_[project.project] = project.bytes_max;
    }
  }
  for (const GoneQueue& queue : batch.gone) {
    if (queue.free_at == Wall{}) {
      gone_.erase(queue.name);
    } else {
      gone_[queue.name] = queue.free_at;
    }
  }
  for (const Document& document : batch.documents) {
    const std::pair key(document.queue, document.key);
    if (document.bytes.empty()) {
      documents_.erase(key);
    } else {
      documents_[key] = {document.bytes, document.expires};
    }
  }
  for (const StoredOutcome& outcome : batch.outcomes) apply(outcome);
  for (const AttemptEntry& entry : batch.history) apply(entry);
  // Last: what a batch does to a generation that it purges is gone with the rest.
  for (const Generation& generation : batch.purged) {
    tasks_.erase(generation);
    history_.erase(generation);
  }
  for (const QueueNumber queue : batch.dropped) drop(queue);
}

namespace {

// Whether scans by key meet it (engine/store.h).
bool has_key_entry(const Task& task) {
  return !task.key().empty() && task.place.priority < priority_count;
}

}  // namespace

void MemoryState::put(Tasks& tasks, const Task& task) {
  DEFERD_ASSERT(task.place.priority < lane_count, "task", task.id);
  DEFERD_ASSERT(tasks.by_id.emplace(task.id, task).second, "task put twice:", task.id);
  DEFERD_ASSERT(tasks.lanes.emplace(task.place, task.id).second, "place taken twice:", task.id);
  if (has_key_entry(task)) {
    tasks.keys.emplace(std::tuple(std::string(task.key()), task.place.eta, task.place.order),
                       task.id);
  }
}

void MemoryState::forget(Tasks& tasks, TaskId id, const Place& place) {
  const auto found = tasks.by_id.find(id);
  DEFERD_ASSERT(found != tasks.by_id.end(), "task is not there:", id);
  DEFERD_ASSERT(found->second.place == place, "task is elsewhere:", id);
  const Task& task = found->second;
  tasks.lanes.erase(place);
  if (has_key_entry(task)) tasks.keys.erase({std::string(task.key()), place.eta, place.order});
  tasks.by_id.erase(found);
}

void MemoryState::apply(const StoredOutcome& outcome) {
  Outcomes& outcomes = outcomes_[outcome.queue];
  const std::pair end(outcome.kept_until, outcome.id);
  if (outcome.bytes.empty()) {
    DEFERD_ASSERT(outcomes.by_end.erase(end) == 1, "outcome is not there:", outcome.id);
    outcomes.by_id.erase(outcome.id);
  } else {
    DEFERD_ASSERT(outcomes.by_id.emplace(outcome.id, outcome).second,
                  "outcome put twice:", outcome.id);
    outcomes.by_end.insert(end);
  }
}

void MemoryState::apply(const AttemptEntry& entry) {
  const std::pair key(entry.id, entry.number);
  if (entry.bytes.empty()) {
    history_[entry.generation].erase(key);
  } else {
    DEFERD_ASSERT(history_[entry.generation].emplace(key, entry.bytes).second,
                  "attempt put twice, of", entry.id);
  }
}

void MemoryState::sweep(Wall before, std::uint32_t names_max) {
  for (std::uint32_t swept = 0; swept < names_max && !tombstones_.empty(); ++swept) {
    const auto oldest = tombstones_.begin();
    if (std::get<Wall>(*oldest) >= before) return;
    names_[std::get<QueueNumber>(*oldest)].erase(std::get<std::string>(*oldest));
    tombstones_.erase(oldest);
  }
}

void MemoryState::drop(QueueNumber queue) {
  queues_.erase(queue);
  names_.erase(queue);
  std::erase_if(tombstones_,
                [queue](const auto& entry) { return std::get<QueueNumber>(entry) == queue; });
  outcomes_.erase(queue);
  const auto of_queue = [queue](const auto& entry) { return entry.first.queue == queue; };
  std::erase_if(tasks_, of_queue);
  std::erase_if(history_, of_queue);
}

Store::Loaded MemoryState::load() const {
  Store::Loaded loaded;
  for (const auto& [number, queue] : queues_) loaded.queues.push_back(queue);
  for (const auto& [project, bytes_max] : projects_)
    loaded.projects.push_back({project, bytes_max});
  for (const auto& [name, free_at] : gone_) loaded.gone.push_back({name, free_at});
  for (const auto& [key, document] : documents_)
    loaded.documents.push_back({key.first, key.second, document.first, document.second});
  loaded.next_number = next_number_;
  return loaded;
}

ReadAnswer MemoryState::read(const Read& read) const {
  return std::visit([this](const auto& given) { return answer(given); }, read);
}

namespace {

// Takes tasks while they fit: true while more may be taken.
class Page {
 public:
  Page(std::uint32_t tasks_max, std::uint64_t bytes_max)
      : tasks_max_(tasks_max), bytes_max_(bytes_max) {}

  bool full() const { return answer_.tasks.size() >= tasks_max_ || reached_; }
  void take(const Task& task) {
    answer_.tasks.push_back(task);
    bytes_ += task.payload->size();
    reached_ = bytes_ >= bytes_max_;
  }
  ScanAnswer finish(bool end) {
    answer_.end = end;
    return std::move(answer_);
  }

 private:
  const std::uint32_t tasks_max_;
  const std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;
  bool reached_ = false;
  ScanAnswer answer_;
};

}  // namespace

ReadAnswer MemoryState::answer(const ScanLane& scan) const {
  Page page(scan.tasks_max, scan.bytes_max);
  const auto tasks = tasks_.find(scan.generation);
  if (tasks == tasks_.end()) {
    ScanAnswer none = page.finish(true);
    if (scan.without_key) none.reached = scan.after;
    return none;
  }
  const auto& lanes = tasks->second.lanes;
  const auto end =
      lanes.lower_bound(Place{static_cast<std::uint8_t>(scan.priority + 1), Wall::min(), 0});
  auto next = lanes.upper_bound(Place{scan.priority, scan.after.eta, scan.after.order});
  Place reached = scan.after;
  std::uint32_t keyed = 0;
  for (; next != end && !page.full() && keyed < keyed_tasks_max; ++next) {
    const Task& task = tasks->second.by_id.at(next->second);
    reached = next->first;
    if (scan.without_key && !task.key().empty()) {
      ++keyed;
    } else {
      page.take(task);
    }
  }
  ScanAnswer answer = page.finish(next == end);
  if (scan.without_key) answer.reached = reached;
  return answer;
}

ReadAnswer MemoryState::answer(const ScanKey& scan) const {
  Page page(scan.tasks_max, scan.bytes_max);
  const auto tasks = tasks_.find(scan.generation);
  if (tasks == tasks_.end()) return page.finish(true);
  const auto& keys = tasks->second.keys;
  auto next = keys.upper_bound({scan.key, scan.after.eta, scan.after.order});
  const auto more = [&] { return next != keys.end() && std::get<0>(next->first) == scan.key; };
  for (; more() && !page.full(); ++next) page.take(tasks->second.by_id.at(next->second));
  return page.finish(!more());
}

ReadAnswer MemoryState::answer(const ScanKeys& scan) const {
  Page page(scan.tasks_max, scan.bytes_max);
  const auto tasks = tasks_.find(scan.generation);
  if (tasks == tasks_.end()) return page.finish(true);
  const auto& keys = tasks->second.keys;
  auto next = keys.upper_bound({scan.key, scan.after.eta, scan.after.order});
  for (; next != keys.end() && !page.full(); ++next)
    page.take(tasks->second.by_id.at(next->second));
  return page.finish(next == keys.end());
}

ReadAnswer MemoryState::answer(const ScanIds& scan) const {
  Page page(scan.tasks_max, scan.bytes_max);
  const auto tasks = tasks_.find(scan.generation);
  if (tasks == tasks_.end()) return page.finish(true);
  const auto& by_id = tasks->second.by_id;
  auto next = by_id.upper_bound(scan.after);
  for (; next != by_id.end() && !page.full(); ++next) page.take(next->second);
  return page.finish(next == by_id.end());
}

ReadAnswer MemoryState::answer(const FindTasks& find) const {
  FindTasksAnswer answer;
  const auto tasks = tasks_.find(find.generation);
  for (const TaskId id : find.ids) {
    answer.tasks.emplace_back();
    if (tasks == tasks_.end()) continue;
    const auto found = tasks->second.by_id.find(id);
    if (found != tasks->second.by_id.end()) answer.tasks.back() = found->second;
  }
  return answer;
}

ReadAnswer MemoryState::answer(const FindNames& find) const {
  FindNamesAnswer answer;
  const auto names = names_.find(find.queue);
  for (const std::string& name : find.names) {
    answer.entries.emplace_back();
    if (names == names_.end()) continue;
    const auto found = names->second.find(name);
    if (found != names->second.end()) answer.entries.back() = found->second;
  }
  return answer;
}

ReadAnswer MemoryState::answer(const FindOutcomes& find) const {
  FindOutcomesAnswer answer;
  const auto outcomes = outcomes_.find(find.queue);
  for (const TaskId id : find.ids) {
    answer.outcomes.emplace_back();
    if (outcomes == outcomes_.end()) continue;
    const auto found = outcomes->second.by_id.find(id);
    if (found != outcomes->second.by_id.end()) answer.outcomes.back() = found->second.bytes;
  }
  return answer;
}

ReadAnswer MemoryState::answer(const ScanOutcomes& scan) const {
  ScanOutcomesAnswer answer;
  answer.end = true;
  const auto outcomes = outcomes_.find(scan.queue);
  if (outcomes == outcomes_.end()) return answer;
  for (const auto& [kept_until, id] : outcomes->second.by_end) {
    if (answer.items.size() == scan.count_max) {
      answer.end = false;
      break;
    }
    const StoredOutcome& kept = outcomes->second.by_id.at(id);
    answer.items.push_back(
        {id, kept_until, kept.bytes.size(), kept.generation, kept.history_first, kept.history_end});
  }
  return answer;
}

ReadAnswer MemoryState::answer(const ScanHistory& scan) const {
  ScanHistoryAnswer answer;
  const auto history = history_.find(scan.generation);
  if (history == history_.end()) return answer;
  auto next = history->second.lower_bound({scan.id, 0});
  for (; next != history->second.end() && next->first.first == scan.id; ++next)
    answer.attempts.push_back(next->second);
  return answer;
}

ReadAnswer MemoryState::answer(const ScanPlaces& scan) const {
  ScanPlacesAnswer answer;
  answer.end = true;
  const auto tasks = tasks_.find(scan.generation);
  if (tasks == tasks_.end()) return answer;
  const auto& lanes = tasks->second.lanes;
  const auto end =
      lanes.lower_bound(Place{static_cast<std::uint8_t>(scan.priority + 1), Wall::min(), 0});
  auto next = lanes.upper_bound(Place{scan.priority, scan.after.eta, scan.after.order});
  for (; next != end && answer.items.size() < scan.tasks_max; ++next) {
    const Task& task = tasks->second.by_id.at(next->second);
    const bool attempted = task.progress.attempts > 0;
    answer.items.push_back({task.place.eta, task.place.order, task.progress.lease_token != 0,
                            task.progress.attempts, attempted ? task.id : TaskId{}});
  }
  answer.end = next == end;
  return answer;
}

// ---- MemoryDisk ----

std::uint64_t MemoryDisk::write(Batch batch) {
  const std::lock_guard lock(mutex_);
  visible_.apply(batch);
  if (crashes_ == Crashes::possible) tail_.push_back({next_entry_, std::move(batch), false});
  return next_entry_++;
}

void MemoryDisk::write_torn(Batch batch) {
  const std::lock_guard lock(mutex_);
  if (crashes_ == Crashes::possible) tail_.push_back({next_entry_++, std::move(batch), false});
}

void MemoryDisk::answered(std::uint64_t number, bool durable) {
  const std::lock_guard lock(mutex_);
  const auto entry = std::ranges::lower_bound(tail_, number, {}, &Entry::number);
  if (entry == tail_.end() || entry->number != number) return;  // settled by a later one
  entry->answered = true;
  if (durable) settle(static_cast<std::size_t>(entry - tail_.begin()) + 1);
}

void MemoryDisk::settle(std::size_t entries) {
  const auto end = tail_.begin() + static_cast<std::ptrdiff_t>(entries);
  for (auto entry = tail_.begin(); entry != end; ++entry) settled_.apply(entry->batch);
  tail_.erase(tail_.begin(), end);
}

void MemoryDisk::crash(std::size_t keep_min, Random& random) {
  settle(keep_min + random.below(tail_.size() - keep_min + 1));
  tail_.clear();
  visible_ = settled_;
}

void MemoryDisk::kill(Random& random) {
  const std::lock_guard lock(mutex_);
  DEFERD_ASSERT(crashes_ == Crashes::possible);
  std::size_t keep_min = tail_.size();
  while (keep_min > 0 && !tail_[keep_min - 1].answered) --keep_min;
  crash(keep_min, random);
}

void MemoryDisk::power_cut(Random& random) {
  const std::lock_guard lock(mutex_);
  DEFERD_ASSERT(crashes_ == Crashes::possible);
  crash(0, random);
}

// ---- MemoryStore ----

// Shared with the deferred closures, which may outlive the store.
struct MemoryStore::Waiting {
  std::mutex mutex;
  bool open = true;
  std::uint64_t next = 0;
  std::map<std::uint64_t, Callback<void()>>
      refuse;  // what answers a completion that was not run in time
};

MemoryStore::MemoryStore(std::shared_ptr<MemoryDisk> disk, Options options)
    : disk_(std::move(disk)), options_(std::move(options)), waiting_(std::make_shared<Waiting>()) {}

MemoryStore::~MemoryStore() {
  std::map<std::uint64_t, Callback<void()>> refuse;
  {
    const std::lock_guard lock(waiting_->mutex);
    waiting_->open = false;
    refuse.swap(waiting_->refuse);
  }
  for (auto& [number, callback] : refuse) callback();
}

void MemoryStore::abandon() {
  const std::scoped_lock lock(mutex_, waiting_->mutex);
  abandoned_ = true;
  waiting_->open = false;
  waiting_->refuse.clear();
}

void MemoryStore::complete(Callback<void()> completion, Callback<void()> refuse) {
  if (!options_.defer) {
    completion();
    return;
  }
  std::uint64_t number;
  {
    const std::lock_guard lock(waiting_->mutex);
    if (!waiting_->open) return;  // abandoned in the meantime
    number = waiting_->next++;
    waiting_->refuse.emplace(number, std::move(refuse));
  }
  options_.defer([waiting = waiting_, number, completion = std::move(completion)]() mutable {
    Callback<void()> unused;
    {
      const std::lock_guard lock(waiting->mutex);
      const auto found = waiting->refuse.find(number);
      if (found == waiting->refuse.end()) return;  // the store is gone
      unused = std::move(found->second);
      waiting->refuse.erase(found);
    }
    completion();
  });
}

Result<Store::Loaded> MemoryStore::load() {
  {
    const std::lock_guard lock(mutex_);
    if (fail_reads_)
      return fail(Reason::store_failed, "memory store: reads fail, as was asked for");
  }
  const std::lock_guard lock(disk_->mutex_);
  return disk_->visible_.load();
}

void MemoryStore::commit(Batch batch, Callback<void(Result<void>)> done) {
  const auto shared_done = std::make_shared<Callback<void(Result<void>)>>(std::move(done));
  const auto refuse = [shared_done] {
    (*shared_done)(fail(Reason::stopping, "the store was closed before the commit was answered"));
  };

  std::string failure;
  std::uint64_t number = 0;
  const bool durable = batch.durable;
  {
    // Held across the write, so that batches reach the disk in the order of these calls.
    const std::lock_guard lock(mutex_);
    if (abandoned_) return;
    if (fail_next_ && failure_.empty()) {
      failure_ = "memory store: the commit failed, as was asked for";
      if (next_fault_ == Fault::torn) disk_->write_torn(std::move(batch));
    } else if (failure_.empty()) {
      number = disk_->write(std::move(batch));
    }
    failure = failure_;
  }
  if (!failure.empty()) {
    complete([shared_done, failure] { (*shared_done)(fail(Reason::store_failed, failure)); },
             refuse);
    return;
  }
  complete(
      [shared_done, disk = disk_, number, durable] {
        disk->answered(number, durable);
        (*shared_done)(Result<void>{});
      },
      refuse);
}

void MemoryStore::read(Read read, Callback<void(Result<ReadAnswer>)> done) {
  bool failing;
  {
    const std::lock_guard lock(mutex_);
    if (abandoned_) return;
    failing = fail_reads_;
  }
  Result<ReadAnswer> answer =
      fail(Reason::store_failed, "memory store: the read failed, as was asked for");
  if (!failing) {
    const std::lock_guard lock(disk_->mutex_);
    answer = disk_->visible_.read(read);
  }
  const auto shared_done = std::make_shared<Callback<void(Result<ReadAnswer>)>>(std::move(done));
  complete(
      [shared_done, answer = std::move(answer)]() mutable { (*shared_done)(std::move(answer)); },
      [shared_done] {
        (*shared_done)(fail(Reason::stopping, "the store was closed before the read was answered"));
      });
}

void MemoryStore::fail_next_commit(Fault fault) {
  const std::lock_guard lock(mutex_);
  fail_next_ = true;
  next_fault_ = fault;
}

void MemoryStore::fail_all(std::string message) {
  const std::lock_guard lock(mutex_);
  if (failure_.empty()) failure_ = std::move(message);
}

void MemoryStore::fail_reads(bool fail) {
  const std::lock_guard lock(mutex_);
  fail_reads_ = fail;
}

bool MemoryStore::failed() const {
  const std::lock_guard lock(mutex_);
  return !failure_.empty();
}

}  // namespace deferd
