#include "bench/plain/reader.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "bench/plain/entries.h"
#include "store/rocksdb/ledger_reads.h"
#include "store/rocksdb/page.h"
#include "store/rocksdb/reader.h"

namespace deferd::plain {
namespace {

tl::unexpected<Error> damaged(std::string_view what) {
  return fail(Reason::store_failed, "damaged records: " + std::string(what));
}

// A walk over the keys that begin with a prefix, strictly after one of them.
class Walk {
 public:
  Walk(Database& database, const rocksdb::ReadOptions& snapshot,
       rocksdb::ColumnFamilyHandle* family, const std::string& prefix, const std::string& after)
      : upper_(runs::after_prefix(prefix)), upper_slice_(upper_) {
    rocksdb::ReadOptions options = snapshot;
    options.iterate_upper_bound = &upper_slice_;
    it_.reset(database.db().NewIterator(options, family));
    it_->Seek(after);
    if (it_->Valid() && it_->key() == after) it_->Next();
  }
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

  bool valid() const { return it_->Valid(); }
  std::string_view key() const { return it_->key().ToStringView(); }
  std::string_view value() const { return it_->value().ToStringView(); }
  void next() { it_->Next(); }
  Result<void> ended() const {
    if (it_->status().ok()) return {};
    return fail(store_error("cannot read the store", it_->status()));
  }

 private:
  const std::string upper_;
  const rocksdb::Slice upper_slice_;
  std::unique_ptr<rocksdb::Iterator> it_;
};

// The database at one instant.
class View {
 public:
  explicit View(Database& database) : database_(database), snapshot_(&database.db()) {
    options_.snapshot = snapshot_.snapshot();
    lane_options_ = options_;
    lane_options_.fill_cache = false;  // a lane is read once, from head to tail
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
  Result<Task> to_task(const Generation& generation, const Place& place, const Entry& entry);
  Result<Task> at(const Generation& generation, const Place& place, TaskId id);
  Result<bool> walk_key(const Generation& generation, const std::string& key, const Place& after,
                        Page& page);

  Database& database_;
  rocksdb::ManagedSnapshot snapshot_;
  rocksdb::ReadOptions options_;
  rocksdb::ReadOptions lane_options_;
};

Result<Task> View::to_task(const Generation& generation, const Place& place, const Entry& entry) {
  const runs::HomeTask& home = entry.home();
  Task task;
  task.id = entry.id;
  task.place = place;
  task.created = home.created;
  if (entry.progress() != nullptr) task.progress = *entry.progress();
  task.options = home.options;
  task.bytes = home.bytes;
  std::string payload(home.payload);
  if (home.apart) {
    const rocksdb::Status status = database_.db().Get(options_, database_.bodies(),
                                                      runs::id_key(generation, entry.id), &payload);
    if (!status.ok()) return fail(store_error("cannot read a payload", status));
    if (payload.size() != home.payload_bytes) return damaged("a payload of another size");
  }
  task.payload = share(std::move(payload));
  return task;
}

Result<Task> View::at(const Generation& generation, const Place& place, TaskId id) {
  rocksdb::PinnableSlice value;
  const rocksdb::Status status =
      database_.db().Get(options_, database_.runs(), lane_key(generation, place), &value);
  if (!status.ok()) return fail(store_error("cannot read a task", status));
  const auto entry = decode(generation, place, value.ToStringView());
  if (!entry) return fail(entry.error());
  if (entry->id != id) return damaged("a place holds another task than its index says");
  return to_task(generation, place, *entry);
}

Result<ReadAnswer> View::answer(const ScanLane& scan) {
  Page page(scan.tasks_max, scan.bytes_max);
  Place reached = scan.after;
  std::uint32_t keyed = 0;
  Walk walk(database_, lane_options_, database_.runs(),
            runs::lane_prefix(scan.generation, scan.priority),
            lane_key(scan.generation, {scan.priority, scan.after.eta, scan.after.order}));
  for (; walk.valid() && !page.full() && keyed < keyed_tasks_max; walk.next()) {
    const auto place = parse_lane_key(walk.key());
    if (!place) return damaged("a task's key");
    const auto entry = decode(scan.generation, *place, walk.value());
    if (!entry) return fail(entry.error());
    reached = *place;
    const TaskOptions* const options = entry->home().options.get();
    if (scan.without_key && options != nullptr && !options->key.empty()) {
      ++keyed;
      continue;
    }
    auto task = to_task(scan.generation, *place, *entry);
    if (!task) return fail(task.error());
    page.take(std::move(*task));
  }
  if (auto ok = walk.ended(); !ok) return fail(ok.error());
  ScanAnswer answer = page.finish(!walk.valid());
  if (scan.without_key) answer.reached = reached;
  return answer;
}

Result<ReadAnswer> View::answer(const ScanPlaces& scan) {
  ScanPlacesAnswer answer;
  Walk walk(database_, lane_options_, database_.runs(),
            runs::lane_prefix(scan.generation, scan.priority),
            lane_key(scan.generation, {scan.priority, scan.after.eta, scan.after.order}));
  for (; walk.valid() && answer.items.size() < scan.tasks_max; walk.next()) {
    const auto place = parse_lane_key(walk.key());
    if (!place) return damaged("a task's key");
    const auto entry = decode(scan.generation, *place, walk.value());
    if (!entry) return fail(entry.error());
    ScanPlacesAnswer::Item item{.eta = place->eta, .order = place->order};
    if (const Progress* const progress = entry->progress()) {
      item.leased = progress->lease_token != 0;
      item.attempts = progress->attempts;
      if (item.attempts > 0) item.id = entry->id;
    }
    answer.items.push_back(item);
  }
  if (auto ok = walk.ended(); !ok) return fail(ok.error());
  answer.end = !walk.valid();
  return answer;
}

// Gives the tasks of one key strictly after a place to the page. True: there is one more, and the
// page is full.
Result<bool> View::walk_key(const Generation& generation, const std::string& key,
                            const Place& after, Page& page) {
  const std::string prefix = runs::key_prefix(generation, key);
  Walk walk(database_, options_, database_.keys(), prefix,
            runs::key_place_key(generation, key, after.eta, after.order));
  for (; walk.valid() && !page.full(); walk.next()) {
    const auto entry = runs::decode_key_entry(walk.value());
    if (!entry) return fail(entry.error());
    // The rest of the key is (ETA, order), as in the lane.
    std::string lane = runs::lane_prefix(generation, entry->priority);
    lane.append(walk.key().substr(prefix.size())).push_back(static_cast<char>(runs::Kind::home));
    const auto place = parse_lane_key(lane);
    if (!place) return damaged("a key's record");
    auto task = at(generation, *place, entry->id);
    if (!task) return fail(task.error());
    page.take(std::move(*task));
  }
  if (auto ok = walk.ended(); !ok) return fail(ok.error());
  return walk.valid();
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
    const auto found = key_after(database_, options_, scan.generation, key);
    if (!found) return fail(found.error());
    const std::optional<std::string>& next = *found;
    if (!next) return page.finish(true);
    if (page.full()) return page.finish(false);
    key = *next;
    after = Place{0, Wall::min(), 0};
  }
}

Result<ReadAnswer> View::answer(const ScanIds& scan) {
  Page page(scan.tasks_max, scan.bytes_max);
  Walk walk(database_, options_, database_.index(), runs::generation_prefix(scan.generation),
            runs::id_key(scan.generation, scan.after));
  for (; walk.valid() && !page.full(); walk.next()) {
    const auto id = runs::parse_id_key(walk.key());
    const auto place = parse_lane_key(walk.value());
    if (!id || !place) return damaged("an index entry");
    auto task = at(scan.generation, *place, *id);
    if (!task) return fail(task.error());
    page.take(std::move(*task));
  }
  if (auto ok = walk.ended(); !ok) return fail(ok.error());
  return page.finish(!walk.valid());
}

Result<ReadAnswer> View::answer(const FindTasks& find) {
  FindTasksAnswer answer;
  answer.tasks.reserve(find.ids.size());
  rocksdb::PinnableSlice value;
  for (const TaskId id : find.ids) {
    value.Reset();
    answer.tasks.emplace_back();
    const rocksdb::Status status =
        database_.db().Get(options_, database_.index(), runs::id_key(find.generation, id), &value);
    if (status.IsNotFound()) continue;
    if (!status.ok()) return fail(store_error("cannot read an index entry", status));
    const auto place = parse_lane_key(value.ToStringView());
    if (!place) return damaged("an index entry");
    auto task = at(find.generation, *place, id);
    if (!task) return fail(task.error());
    answer.tasks.back() = std::move(*task);
  }
  return answer;
}

}  // namespace

Result<ReadAnswer> answer_read(Database& database, const Read& read) {
  View view(database);
  return std::visit([&view](const auto& what) { return view.answer(what); }, read);
}

}  // namespace deferd::plain
