#include "store/rocksdb/reader.h"

#include <algorithm>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "store/rocksdb/ledger_reads.h"
#include "store/rocksdb/page.h"
#include "store/rocksdb/records.h"

namespace deferd {

using runs::HomeRun;
using runs::HomeTask;
using runs::Kind;
using runs::Marks;
using runs::MovedRun;
using runs::MovedTask;
using runs::RunKey;

namespace {

tl::unexpected<Error> damaged(std::string_view what) {
  return fail(Reason::store_failed, "damaged records: " + std::string(what));
}

// Where a living task is described: at home, and at the place that it moved to.
struct Found {
  const HomeRun* run = nullptr;
  const HomeTask* task = nullptr;
  Place place;
  const Progress* progress = nullptr;  // null: none yet
  TaskId id{};                         // of what a walk over a lane meets
};

// The database at one instant, as far as one read has looked at it.
class View {
 public:
  explicit View(Database& database) : database_(database), snapshot_(&database.db()) {
    options_.snapshot = snapshot_.snapshot();
  }

  Result<ReadAnswer> answer(const ScanLane& scan);
  Result<ReadAnswer> answer(const ScanKey& scan);
  Result<ReadAnswer> answer(const ScanKeys& scan);
  Result<ReadAnswer> answer(const ScanIds& scan);
  Result<ReadAnswer> answer(const FindTasks& find);
  Result<ReadAnswer> answer(const ScanPlaces& scan);
  template <class OfLedger>
  Result<ReadAnswer> answer(const OfLedger& read) {
    return deferd::answer(database_, options_, read);
  }

 private:
  // A home run that this read met, kept for the next task of it.
  struct Home {
    bool looked_for_marks = false;
    std::optional<Marks> marks;
    bool looked_for_run = false;
    rocksdb::PinnableSlice value;
    std::optional<HomeRun> run;  // its views are into `value`
  };
  struct MovedAt {
    RunKey key;
    MovedRun run;
  };

  Result<void> ended(const rocksdb::Iterator& it) const {
    if (it.status().ok()) return {};
    return fail(store_error("cannot read the store", it.status()));
  }

  // Valid until the next call of either.
  Result<Home*> home_with_run(const RunKey& key);
  Result<Home*> home_with_marks(const RunKey& key);
  Home& home(const RunKey& key);
  static Result<void> check(const Home& home);

  // The task in a home run as it stands now; none: it is finished.
  Result<std::optional<Found>> found(const RunKey& key, const HomeRun& run, const Marks* marks,
                                     const HomeTask& task);
  Result<std::optional<Found>> find(const Generation& generation, TaskId id);
  Result<const MovedTask*> moved_at(const Generation& generation, const Place& place);
  Result<Task> to_task(const Generation& generation, const Found& found);
  Result<bool> walk_key(const Generation& generation, const std::string& key, const Place& after,
                        Page& page);

  // Calls visit(const Found&) for the living tasks of a lane after a place, in order, until it
  // returns false or an error. Without `whole`, of Found only place and progress are given.
  template <class Visit>
  Result<void> walk_lane(const Generation& generation, std::uint8_t priority, const Place& after,
                         bool whole, Visit visit);

  Database& database_;
  rocksdb::ManagedSnapshot snapshot_;
  rocksdb::ReadOptions options_;
  std::map<RunKey, Home> homes_;
  std::unique_ptr<MovedAt> moved_;  // the moved run that was looked at last
};

constexpr std::size_t homes_max = 64;  // 16 MB of payload at the very most, and mostly two of them

// ---- Pieces ----

View::Home& View::home(const RunKey& key) {
  if (homes_.size() >= homes_max && !homes_.contains(key)) homes_.clear();
  return homes_[key];
}

Result<void> View::check(const Home& home) {
  if (home.run && home.marks && home.run->slots != home.marks->slots) {
    return damaged("marks of another size than their run");
  }
  return {};
}

Result<View::Home*> View::home_with_marks(const RunKey& key) {
  Home& home = this->home(key);
  if (home.looked_for_marks) return &home;
  home.looked_for_marks = true;
  rocksdb::PinnableSlice value;
  const rocksdb::Status status =
      database_.db().Get(options_, database_.runs(), runs::run_key(key, Kind::marks), &value);
  if (status.IsNotFound()) return &home;
  if (!status.ok()) return fail(store_error("cannot read marks", status));
  auto marks = runs::decode_marks(key, value.ToStringView());
  if (!marks) return fail(marks.error());
  home.marks = std::move(*marks);
  return &home;
}

Result<View::Home*> View::home_with_run(const RunKey& key) {
  const auto with_marks = home_with_marks(key);
  if (!with_marks) return with_marks;
  Home& home = **with_marks;
  if (home.looked_for_run) return &home;
  home.looked_for_run = true;
  const rocksdb::Status status =
      database_.db().Get(options_, database_.runs(), runs::run_key(key, Kind::home), &home.value);
  if (status.IsNotFound()) return &home;
  if (!status.ok()) return fail(store_error("cannot read a home run", status));
  auto run = runs::decode_home(key, home.value.ToStringView());
  if (!run) return fail(run.error());
  home.run = std::move(*run);
  if (auto ok = check(home); !ok) return fail(ok.error());
  return &home;
}

Result<const MovedTask*> View::moved_at(const Generation& generation, const Place& place) {
  if (moved_ != nullptr && moved_->key.generation == generation &&
      moved_->key.priority == place.priority && moved_->key.eta == place.eta) {
    if (const MovedTask* task = moved_->run.find(place.order)) return task;
  }
  const std::string lower =
      runs::place_key(generation, place.priority, place.eta,
                      place.order - std::min(place.order, runs::run_orders_max - 1));
  const std::string upper =
      runs::place_key(generation, place.priority, place.eta, place.order) + '\xff';
  const rocksdb::Slice lower_slice = lower;
  const rocksdb::Slice upper_slice = upper;
  rocksdb::ReadOptions options = options_;
  options.iterate_lower_bound = &lower_slice;
  options.iterate_upper_bound = &upper_slice;
  const std::unique_ptr<rocksdb::Iterator> it(
      database_.db().NewIterator(options, database_.runs()));
  it->SeekToLast();
  if (auto ok = ended(*it); !ok) return fail(ok.error());
  if (it->Valid()) {
    const auto parsed = runs::parse_run_key(it->key().ToStringView());
    if (parsed && parsed->kind == Kind::moved) {
      auto run = runs::decode_moved(parsed->run, it->value().ToStringView());
      if (!run) return fail(run.error());
      moved_ = std::make_unique<MovedAt>(MovedAt{parsed->run, std::move(*run)});
      if (const MovedTask* task = moved_->run.find(place.order)) return task;
    }
  }
  return damaged("a task is not where its marks say");
}

Result<std::optional<Found>> View::found(const RunKey& key, const HomeRun& run, const Marks* marks,
                                         const HomeTask& task) {
  Found found;
  found.run = &run;
  found.task = &task;
  found.place = Place{key.priority, key.eta, task.id.value};
  if (task.progress_index != HomeTask::no_progress) {
    found.progress = &run.progress[task.progress_index];
  }
  if (marks == nullptr) return found;
  if (marks->is_finished(task.slot)) return std::nullopt;
  if (const auto place = marks->moved_to(task.slot)) {
    const auto moved = moved_at(key.generation, *place);
    if (!moved) return fail(moved.error());
    if ((*moved)->id != task.id) return damaged("a place holds another task than its marks say");
    found.place = *place;
    found.progress = &(*moved)->progress;
  }
  return found;
}

Result<Task> View::to_task(const Generation& generation, const Found& found) {
  const HomeTask& at_home = *found.task;
  Task task;
  task.id = at_home.id;
  task.place = found.place;
  task.created = at_home.created;
  if (found.progress != nullptr) task.progress = *found.progress;
  task.options = at_home.options;
  task.bytes = at_home.bytes;
  if (!at_home.apart) {
    task.payload = share(std::string(at_home.payload));
    return task;
  }
  std::string payload;
  const rocksdb::Status status = database_.db().Get(options_, database_.bodies(),
                                                    runs::id_key(generation, at_home.id), &payload);
  if (!status.ok()) return fail(store_error("cannot read a payload", status));
  if (payload.size() != at_home.payload_bytes) return damaged("a payload of another size");
  task.payload = share(std::move(payload));
  return task;
}

Result<std::optional<Found>> View::find(const Generation& generation, TaskId id) {
  // Tasks that are looked for together were often put together.
  for (auto& [key, home] : homes_) {
    if (key.generation != generation || !home.run || !home.looked_for_marks) continue;
    const HomeTask* task = home.run->find(id);
    if (task == nullptr) continue;
    return found(key, *home.run, home.marks ? &*home.marks : nullptr, *task);
  }
  // No run that begins earlier than this reaches the id.
  TaskId lowest{id.value - std::min(id.value, runs::run_orders_max - 1)};
  const std::string lower = runs::id_key(generation, lowest);
  const std::string upper = runs::id_key(generation, id) + '\0';
  const rocksdb::Slice lower_slice = lower;
  const rocksdb::Slice upper_slice = upper;
  rocksdb::ReadOptions options = options_;
  options.iterate_lower_bound = &lower_slice;
  options.iterate_upper_bound = &upper_slice;
  const std::unique_ptr<rocksdb::Iterator> it(
      database_.db().NewIterator(options, database_.index()));
  bool is_nearest = true;
  for (it->SeekToLast(); it->Valid(); it->Prev()) {
    const auto first = runs::parse_id_key(it->key().ToStringView());
    if (!first) return damaged("an index entry's key");
    if (*first < lowest) break;
    const auto entry = runs::decode_index(*first, it->value().ToStringView());
    if (!entry) return fail(entry.error());
    if (is_nearest) lowest = std::max(lowest, entry->lowest);
    is_nearest = false;
    if (entry->last < id) continue;
    const RunKey key{generation, entry->priority, entry->eta, first->value};
    const auto home = home_with_run(key);
    if (!home) return fail(home.error());
    if (!(*home)->run) return damaged("an index entry without its run");
    const HomeTask* task = (*home)->run->find(id);
    if (task == nullptr) continue;
    return found(key, *(*home)->run, (*home)->marks ? &*(*home)->marks : nullptr, *task);
  }
  if (auto ok = ended(*it); !ok) return fail(ok.error());
  return std::nullopt;
}

// ---- Lanes ----

template <class Visit>
Result<void> View::walk_lane(const Generation& generation, std::uint8_t priority,
                             const Place& after, bool whole, Visit visit) {
  const std::string lane = runs::lane_prefix(generation, priority);
  const std::string upper = runs::after_prefix(lane);
  const rocksdb::Slice upper_slice = upper;
  // The run that holds `after`, if any, begins no earlier than this: what is behind is never looked
  // at, however much of it is dead.
  const std::string lower =
      runs::place_key(generation, priority, after.eta,
                      after.order - std::min(after.order, runs::run_orders_max - 1));
  const rocksdb::Slice lower_slice = lower;
  rocksdb::ReadOptions options = options_;
  options.iterate_lower_bound = &lower_slice;
  options.iterate_upper_bound = &upper_slice;
  const std::unique_ptr<rocksdb::Iterator> it(
      database_.db().NewIterator(options, database_.runs()));
  const std::string start = runs::place_key(generation, priority, after.eta, after.order);
  it->SeekForPrev(start + '\xff');
  if (it->Valid()) {
    const auto parsed = runs::parse_run_key(it->key().ToStringView());
    if (!parsed) return damaged("a run's key");
    it->Seek(runs::run_key(parsed->run, Kind::marks));
  } else {
    if (auto ok = ended(*it); !ok) return ok;
    it->Seek(start);
  }

  std::optional<Marks> marks;  // of the home run that follows at once
  RunKey marks_key;
  for (; it->Valid(); it->Next()) {
    const auto parsed = runs::parse_run_key(it->key().ToStringView());
    if (!parsed) return damaged("a run's key");
    const RunKey& key = parsed->run;
    const auto is_after = [&](std::uint64_t order) {
      return std::pair(key.eta, order) > std::pair(after.eta, after.order);
    };
    if (parsed->kind == Kind::marks) {
      auto decoded = runs::decode_marks(key, it->value().ToStringView());
      if (!decoded) return fail(decoded.error());
      marks = std::move(*decoded);
      marks_key = key;
      continue;
    }
    if (parsed->kind == Kind::home) {
      const bool has_marks = marks && marks_key == key;
      const auto run = runs::decode_home(key, it->value().ToStringView());
      if (!run) return fail(run.error());
      if (has_marks && marks->slots != run->slots) {
        return damaged("marks of another size than their run");
      }
      for (const HomeTask& task : run->tasks) {
        if (!is_after(task.id.value)) continue;
        if (has_marks && (marks->is_finished(task.slot) || marks->moved_to(task.slot))) continue;
        const Progress* progress = task.progress_index == HomeTask::no_progress
                                       ? nullptr
                                       : &run->progress[task.progress_index];
        const Result<bool> more = visit(
            Found{&*run, &task, Place{key.priority, key.eta, task.id.value}, progress, task.id});
        if (!more) return fail(more.error());
        if (!*more) return {};
      }
      continue;
    }
    const auto run = runs::decode_moved(key, it->value().ToStringView());
    if (!run) return fail(run.error());
    for (const MovedTask& task : run->tasks) {
      if (!is_after(task.order)) continue;
      const RunKey& home_key = run->homes[task.home];
      const Place place{key.priority, key.eta, task.order};
      const auto with_marks = home_with_marks(home_key);
      if (!with_marks) return fail(with_marks.error());
      // No marks: the home run has ended, and its tasks with it.
      const auto& home_marks = (*with_marks)->marks;
      if (!home_marks || task.slot >= home_marks->slots || home_marks->is_finished(task.slot) ||
          home_marks->moved_to(task.slot) != place) {
        continue;
      }
      Found found{nullptr, nullptr, place, &task.progress, task.id};
      if (whole) {
        const auto home = home_with_run(home_key);
        if (!home) return fail(home.error());
        if (!(*home)->run) return damaged("marks without their run");
        found.run = &*(*home)->run;
        found.task = found.run->at_slot(task.slot);
        if (found.task == nullptr || found.task->id != task.id) {
          return damaged("a moved task is not at home");
        }
      }
      const Result<bool> more = visit(found);
      if (!more) return fail(more.error());
      if (!*more) return {};
    }
  }
  return ended(*it);
}

Result<ReadAnswer> View::answer(const ScanLane& scan) {
  Page page(scan.tasks_max, scan.bytes_max);
  bool end = true;
  Place reached = scan.after;
  std::uint32_t keyed = 0;
  const auto walked = walk_lane(scan.generation, scan.priority, scan.after, true,
                                [&](const Found& found) -> Result<bool> {
                                  if (page.full() || keyed == keyed_tasks_max) {
                                    end = false;
                                    return false;
                                  }
                                  reached = found.place;
                                  const TaskOptions* const options = found.task->options.get();
                                  if (scan.without_key && options && !options->key.empty()) {
                                    ++keyed;
                                    return true;
                                  }
                                  auto task = to_task(scan.generation, found);
                                  if (!task) return fail(task.error());
                                  page.take(std::move(*task));
                                  return true;
                                });
  if (!walked) return fail(walked.error());
  ScanAnswer answer = page.finish(end);
  if (scan.without_key) answer.reached = reached;
  return answer;
}

Result<ReadAnswer> View::answer(const ScanPlaces& scan) {
  ScanPlacesAnswer answer;
  answer.end = true;
  const auto walked = walk_lane(
      scan.generation, scan.priority, scan.after, false, [&](const Found& found) -> Result<bool> {
        if (answer.items.size() >= scan.tasks_max) {
          answer.end = false;
          return false;
        }
        ScanPlacesAnswer::Item item{.eta = found.place.eta, .order = found.place.order};
        if (found.progress != nullptr) {
          item.leased = found.progress->lease_token != 0;
          item.attempts = found.progress->attempts;
          if (item.attempts > 0) item.id = found.id;
        }
        answer.items.push_back(item);
        return true;
      });
  if (!walked) return fail(walked.error());
  return answer;
}

// ---- Keys, ids ----

// Gives the tasks of one key strictly after a place to the page. True: there is one more, and the
// page is full.
Result<bool> View::walk_key(const Generation& generation, const std::string& key,
                            const Place& after, Page& page) {
  const std::string upper = runs::after_prefix(runs::key_prefix(generation, key));
  const rocksdb::Slice upper_slice = upper;
  rocksdb::ReadOptions options = options_;
  options.iterate_upper_bound = &upper_slice;
  const std::unique_ptr<rocksdb::Iterator> it(
      database_.db().NewIterator(options, database_.keys()));
  const std::string start = runs::key_place_key(generation, key, after.eta, after.order);
  for (it->Seek(start); it->Valid(); it->Next()) {
    if (it->key() == start) continue;
    if (page.full()) return true;
    const auto entry = runs::decode_key_entry(it->value().ToStringView());
    if (!entry) return fail(entry.error());
    const auto found = find(generation, entry->id);
    if (!found) return fail(found.error());
    if (!*found) return damaged("a key's task is not there");
    const Place& place = (*found)->place;
    if (place.priority != entry->priority ||
        it->key() != runs::key_place_key(generation, key, place.eta, place.order)) {
      return damaged("a key's task is elsewhere");
    }
    auto task = to_task(generation, **found);
    if (!task) return fail(task.error());
    page.take(std::move(*task));
  }
  if (auto ok = ended(*it); !ok) return fail(ok.error());
  return false;
}

Result<ReadAnswer> View::answer(const ScanKey& scan) {
  Page page(scan.tasks_max, scan.bytes_max);
  const auto more = walk_key(scan.generation, scan.key, scan.after, page);
  if (!more) return fail(more.error());
  return page.finish(!*more);
}

Result<ReadAnswer> View::answer(const ScanKeys& scan) {
  Page page(scan.tasks_max, scan.bytes_max);
  std::string key = scan.key;
  Place after = scan.after;
  while (true) {
    const auto more = walk_key(scan.generation, key, after, page);
    if (!more) return fail(more.error());
    if (*more) return page.finish(false);
    const auto next = key_after(database_, options_, scan.generation, key);
    if (!next) return fail(next.error());
    if (!*next) return page.finish(true);
    if (page.full()) return page.finish(false);
    key = **next;
    after = Place{0, Wall::min(), 0};
  }
}

Result<ReadAnswer> View::answer(const ScanIds& scan) {
  Page page(scan.tasks_max, scan.bytes_max);
  const std::string lower = runs::generation_prefix(scan.generation);
  const std::string upper = runs::after_prefix(lower);
  const rocksdb::Slice lower_slice = lower;
  const rocksdb::Slice upper_slice = upper;
  rocksdb::ReadOptions options = options_;
  options.iterate_upper_bound = &upper_slice;
  options.iterate_lower_bound = &lower_slice;
  const std::unique_ptr<rocksdb::Iterator> it(
      database_.db().NewIterator(options, database_.index()));
  const auto entry_here = [&]() -> Result<std::pair<RunKey, runs::IndexEntry>> {
    const auto first = runs::parse_id_key(it->key().ToStringView());
    if (!first) return damaged("an index entry's key");
    const auto entry = runs::decode_index(*first, it->value().ToStringView());
    if (!entry) return fail(entry.error());
    return std::pair(RunKey{scan.generation, entry->priority, entry->eta, first->value}, *entry);
  };
  // From the earliest run that may still hold ids after `after`.
  it->SeekForPrev(runs::id_key(scan.generation, scan.after));
  if (it->Valid()) {
    const auto nearest = entry_here();
    if (!nearest) return fail(nearest.error());
    it->Seek(runs::id_key(scan.generation, nearest->second.lowest));
  } else {
    if (auto ok = ended(*it); !ok) return fail(ok.error());
    it->SeekToFirst();
  }

  // Runs of one batch may overlap in ids: what is read waits until no later run can begin before
  // it.
  const auto later = [](const Task& a, const Task& b) { return a.id > b.id; };
  std::priority_queue<Task, std::vector<Task>, decltype(later)> waiting(later);
  while (true) {
    RunKey key;
    if (it->Valid()) {
      const auto entry = entry_here();
      if (!entry) return fail(entry.error());
      key = entry->first;
      if (entry->second.last <= scan.after) {
        it->Next();
        continue;
      }
    } else if (auto ok = ended(*it); !ok) {
      return fail(ok.error());
    }
    for (; !waiting.empty() && (!it->Valid() || waiting.top().id.value < key.first_order);
         waiting.pop()) {
      if (page.full()) return page.finish(false);
      page.take(waiting.top());
    }
    if (!it->Valid()) return page.finish(true);
    const auto home = home_with_run(key);
    if (!home) return fail(home.error());
    if (!(*home)->run) return damaged("an index entry without its run");
    const HomeRun& run = *(*home)->run;
    const Marks* marks = (*home)->marks ? &*(*home)->marks : nullptr;
    for (const HomeTask& at_home : run.tasks) {
      if (at_home.id <= scan.after) continue;
      const auto there = found(key, run, marks, at_home);
      if (!there) return fail(there.error());
      if (!*there) continue;
      // A full page needs only to know that there is one more.
      if (page.full() && waiting.empty()) return page.finish(false);
      auto task = to_task(scan.generation, **there);
      if (!task) return fail(task.error());
      waiting.push(std::move(*task));
    }
    it->Next();
  }
}

Result<ReadAnswer> View::answer(const FindTasks& find) {
  FindTasksAnswer answer;
  answer.tasks.reserve(find.ids.size());
  for (const TaskId id : find.ids) {
    const auto found = this->find(find.generation, id);
    if (!found) return fail(found.error());
    answer.tasks.emplace_back();
    if (!*found) continue;
    auto task = to_task(find.generation, **found);
    if (!task) return fail(task.error());
    answer.tasks.back() = std::move(*task);
  }
  return answer;
}

}  // namespace

// Records stand by the length of their key first: one seek for each length that there is.
Result<std::optional<std::string>> key_after(Database& database,
                                             const rocksdb::ReadOptions& snapshot,
                                             const Generation& generation, const std::string& key) {
  const std::string upper = runs::after_prefix(runs::generation_prefix(generation));
  const rocksdb::Slice upper_slice = upper;
  rocksdb::ReadOptions options = snapshot;
  options.iterate_upper_bound = &upper_slice;
  const std::unique_ptr<rocksdb::Iterator> it(database.db().NewIterator(options, database.keys()));
  std::optional<std::string> next;
  for (std::size_t size = 1; size <= task_key_bytes_max;) {
    const auto lowest = runs::lowest_above(key, size);
    if (!lowest) {
      ++size;
      continue;
    }
    it->Seek(runs::key_prefix(generation, *lowest));
    if (!it->Valid()) break;
    const auto found = runs::parse_key_place_key(it->key().ToStringView());
    if (!found || found->size() < size) return damaged("a key's record");
    if (found->size() > size) {  // nothing of the lengths between
      size = found->size();
      continue;
    }
    if (!next || *found < *next) next = std::string(*found);
    ++size;
  }
  if (!it->status().ok()) return fail(store_error("cannot read the store", it->status()));
  return next;
}

Result<ReadAnswer> answer_read(Database& database, const Read& read) {
  View view(database);
  return std::visit([&view](const auto& what) { return view.answer(what); }, read);
}

Result<Store::Loaded> load_queues(Database& database) {
  Store::Loaded loaded;
  const auto next = read_next_number(database);
  if (!next) return fail(next.error());
  loaded.next_number = *next;
  std::map<QueueNumber, QueueCounters> counters;
  const std::unique_ptr<rocksdb::Iterator> it(
      database.db().NewIterator(rocksdb::ReadOptions(), database.meta()));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string_view key = it->key().ToStringView();
    if (key == runs::next_number_key || key == runs::swept_to_key) continue;
    if (key.starts_with('P')) {
      const auto bytes_max = runs::decode_project(it->value().ToStringView());
      if (!bytes_max) return fail(bytes_max.error());
      loaded.projects.push_back({std::string(key.substr(1)), *bytes_max});
      continue;
    }
    if (key.starts_with('G')) {
      auto name = runs::parse_gone_key(key);
      if (!name) return damaged("the key of a deleted queue");
      const auto free_at = runs::decode_gone(it->value().ToStringView());
      if (!free_at) return fail(free_at.error());
      loaded.gone.push_back({std::move(*name), *free_at});
      continue;
    }
    if (key.starts_with('D')) {
      auto document = runs::decode_document(key, it->value().ToStringView());
      if (!document) return fail(document.error());
      loaded.documents.push_back(std::move(*document));
      continue;
    }
    ByteReader in(key);
    const std::uint8_t kind = in.u8();
    const QueueNumber number{in.be64()};
    if (!in.ok() || !in.at_end() || (kind != 'Q' && kind != 'C')) {
      return damaged("a key that is none of a queue");
    }
    if (kind == 'C') {
      const auto decoded = runs::decode_counters(it->value().ToStringView());
      if (!decoded) return fail(decoded.error());
      counters[number] = *decoded;
      continue;
    }
    auto record = runs::decode_queue(number, it->value().ToStringView());
    if (!record) return fail(record.error());
    loaded.queues.push_back({std::move(*record), {}});
  }
  if (!it->status().ok()) return fail(store_error("cannot read the queues", it->status()));
  for (StoredQueue& queue : loaded.queues) {
    if (const auto found = counters.find(queue.record.number); found != counters.end()) {
      queue.counters = found->second;
    }
  }
  return loaded;
}

}  // namespace deferd
