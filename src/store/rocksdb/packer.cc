#include "store/rocksdb/packer.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "store/rocksdb/key_entries.h"

namespace deferd {

using runs::HomeRun;
using runs::HomeTask;
using runs::Kind;
using runs::Marks;
using runs::MovedRun;
using runs::MovedTask;

namespace {

// A run is thin when more than half of its bytes, and at least these, belong to finished tasks.
constexpr std::uint64_t thin_bytes_min = 4096;
constexpr int rewrites_a_round_max = 4;

tl::unexpected<Error> missing(std::string_view what, TaskId id) {
  return fail(Reason::store_failed,
              "damaged records: task " + std::to_string(id.value) + " is not " + std::string(what));
}

}  // namespace

// A home run or a moved run, as far as later batches need to know it.
struct Packer::Run {
  RunKey key;
  bool is_home = true;
  std::uint64_t last_order = 0;
  std::uint32_t live = 0;  // home: tasks that are not finished; moved: entries that still count
  bool changed = false;
  std::list<Run*>::iterator use;

  // Of a home run, by slot.
  struct Slot {
    TaskId id{};  // of a slot left out by a rewrite: the one before
    std::uint32_t inline_bytes = 0;
    bool finished = false;
    bool apart = false;
    bool moved = false;  // then its place is in `places`
  };
  std::vector<Slot> slots;
  std::vector<Place> places;  // empty while none has moved
  std::uint64_t stored_bytes = 0;
  std::uint64_t live_bytes = 0;
  bool rewritten = false;
  bool has_marks = false;  // on the disk
  bool is_thin = false;    // is in thin_

  // Of a moved run.
  struct Entry {
    TaskId id{};
    std::uint64_t order = 0;
    std::uint32_t home = 0;
    std::uint32_t slot = 0;
  };
  std::vector<RunKey> homes;
  std::vector<Entry> entries;

  bool spans(const Generation& generation, const Place& place) const {
    return key.first_order <= place.order && place.order <= last_order && key.eta == place.eta &&
           key.priority == place.priority && key.generation == generation;
  }
  // In slots: what a run takes beside them counts as some.
  std::size_t weight() const { return 16 + (is_home ? slots.size() : entries.size()); }

  Marks marks() const {
    Marks marks;
    marks.slots = static_cast<std::uint32_t>(slots.size());
    marks.finished.resize((slots.size() + 7) / 8);
    for (std::uint32_t i = 0; i < slots.size(); ++i) {
      if (slots[i].finished) {
        marks.finished[i / 8] =
            static_cast<char>(static_cast<unsigned char>(marks.finished[i / 8]) | 1u << (i % 8));
        continue;
      }
      if (!slots[i].moved) continue;
      const Place& place = places[i];
      if (!marks.moved.empty()) {
        Marks::Moved& range = marks.moved.back();
        Place next = range.place;
        next.order += range.tasks;
        if (range.slot + range.tasks == i && next == place) {
          ++range.tasks;
          continue;
        }
      }
      marks.moved.push_back({i, 1, place});
    }
    return marks;
  }
};

Packer::Packer(Database& database) : database_(database) {}
Packer::~Packer() = default;

// ---- Rounds ----

Result<void> Packer::add(const Batch& batch) {
  if (auto done = add_runs(batch); !done) return done;
  if (auto done = add_finishes(batch); !done) return done;
  // Last: what a batch does to a generation that it purges is gone with the rest.
  for (const Generation& generation : batch.purged) purge(generation);
  for (const QueueNumber queue : batch.dropped) drop(queue);
  return {};
}

Result<void> Packer::finish() {
  ++round_;
  for (int rewrites = 0; rewrites < rewrites_a_round_max && !thin_.empty();) {
    const auto [since, key] = thin_.front();
    if (since + database_.seams().thin_rounds > round_) break;
    thin_.pop_front();
    if (!runs_.contains(key) && !forgotten_thin_.contains(key)) continue;  // it has ended
    const auto home = home_of(key);
    if (!home) return fail(home.error());
    if (*home == nullptr) continue;
    (*home)->is_thin = false;
    if ((*home)->live == 0) continue;
    if (auto done = rewrite(**home); !done) return done;
    ++rewrites;
  }
  for (Run* run : changed_) {
    run->changed = false;
    if (run->live > 0) {
      if (!run->is_home) continue;
      out_.Put(database_.runs(), runs::run_key(run->key, Kind::marks),
               runs::encode_marks(run->key, run->marks()));
      run->has_marks = true;
      if (!run->is_thin && run->live_bytes * 2 < run->stored_bytes &&
          run->stored_bytes - run->live_bytes >= thin_bytes_min) {
        run->is_thin = true;
        thin_.emplace_back(round_, run->key);
      }
      continue;
    }
    // SingleDelete leaves no trace of what was written once and is not flushed yet. It must not be
    // used on what was written twice.
    if (run->is_home) {
      const std::string key = runs::run_key(run->key, Kind::home);
      if (run->rewritten) {
        out_.Delete(database_.runs(), key);
      } else {
        out_.SingleDelete(database_.runs(), key);
      }
      if (run->has_marks) out_.Delete(database_.runs(), runs::run_key(run->key, Kind::marks));
      out_.SingleDelete(database_.index(),
                        runs::id_key(run->key.generation, TaskId{run->key.first_order}));
    } else {
      out_.SingleDelete(database_.runs(), runs::run_key(run->key, Kind::moved));
    }
    forget(*run);
  }
  changed_.clear();
  return {};
}

void Packer::committed() {
  out_.Clear();
  lookups_.reset();
  while (slots_ > database_.seams().cached_slots_max) {
    Run& oldest = *by_use_.front();
    if (oldest.is_thin) forgotten_thin_.insert(oldest.key);
    forget(oldest);
  }
}

// ---- Puts and moves ----

Result<void> Packer::add_runs(const Batch& batch) {
  items_.clear();
  new_homes_.clear();
  for (const Batch::Put& put : batch.puts) {
    items_.push_back({put.generation, put.task.place, &put, nullptr, {}});
    put_key_entry(out_, database_, put.generation, put.task);
  }
  for (const Batch::Move& move : batch.moves) {
    const Task& task = move.task;
    const auto from = take(move.generation, task.id, move.from);
    if (!from) return fail(from.error());
    Run& home = *from->home;
    if (home.places.empty()) home.places.resize(home.slots.size());
    home.slots[from->slot].moved = true;
    home.places[from->slot] = task.place;
    change(home);
    items_.push_back({move.generation, task.place, nullptr, &move, *from});
    forget_key_entry(out_, database_, move.generation, task.key(), move.from);
    put_key_entry(out_, database_, move.generation, task);
  }
  const auto before = [](const Item& a, const Item& b) {
    return std::tie(a.generation, a.place) < std::tie(b.generation, b.place);
  };
  if (!std::ranges::is_sorted(items_, before)) std::ranges::sort(items_, before);

  // Neighbours of one lane and ETA become one run, unless a put follows a move or the other way
  // round (so runs never overlap in orders), or the run has its size.
  for (std::size_t begin = 0; begin < items_.size();) {
    const Item& first = items_[begin];
    const auto payload_bytes = [](const Item& item) -> std::uint64_t {
      if (item.put == nullptr) return 0;
      const std::uint64_t bytes = item.put->task.payload->size();
      return bytes > runs::inline_payload_bytes_max ? 0 : bytes;
    };
    std::uint64_t bytes = payload_bytes(first);
    std::size_t end = begin + 1;
    for (; end < items_.size() && end - begin < runs::run_tasks_max && bytes < runs::run_bytes_max;
         ++end) {
      const Item& next = items_[end];
      if (next.generation != first.generation || next.place.priority != first.place.priority ||
          next.place.eta != first.place.eta || (next.put == nullptr) != (first.put == nullptr) ||
          next.place.order - first.place.order >= runs::run_orders_max) {
        break;
      }
      bytes += payload_bytes(next);
    }
    if (first.put != nullptr) {
      write_home(&items_[begin], items_.data() + end);
    } else {
      write_moved(&items_[begin], items_.data() + end);
    }
    begin = end;
  }
  write_index();
  return {};
}

void Packer::write_home(const Item* begin, const Item* end) {
  auto run = std::make_unique<Run>();
  run->key = {begin->generation, begin->place.priority, begin->place.eta, begin->place.order};
  run->last_order = (end - 1)->place.order;
  run->live = static_cast<std::uint32_t>(end - begin);
  run->slots.reserve(run->live);
  std::vector<const Task*> tasks;
  tasks.reserve(run->live);
  for (const Item* item = begin; item != end; ++item) {
    const Task& task = item->put->task;
    tasks.push_back(&task);
    const bool apart = task.payload->size() > runs::inline_payload_bytes_max;
    const auto bytes = static_cast<std::uint32_t>(apart ? 0 : task.payload->size());
    run->slots.push_back({task.id, bytes, false, apart, false});
    run->live_bytes += bytes;
    if (apart) {
      out_.Put(database_.bodies(), runs::id_key(begin->generation, task.id), *task.payload);
    }
  }
  run->stored_bytes = run->live_bytes;
  out_.Put(database_.runs(), runs::run_key(run->key, Kind::home),
           runs::encode_home(run->key, tasks));
  new_homes_.push_back({run->key, tasks.back()->id});
  keep(std::move(run));
}

void Packer::write_moved(const Item* begin, const Item* end) {
  auto run = std::make_unique<Run>();
  run->is_home = false;
  run->key = {begin->generation, begin->place.priority, begin->place.eta, begin->place.order};
  run->last_order = (end - 1)->place.order;
  run->live = static_cast<std::uint32_t>(end - begin);
  MovedRun record;
  record.tasks.reserve(run->live);
  std::map<const Run*, std::uint32_t> homes;
  const Run* home = nullptr;
  std::uint32_t home_index = 0;
  for (const Item* item = begin; item != end; ++item) {
    if (item->from.home != home) {
      home = item->from.home;
      const auto [found, fresh] =
          homes.emplace(home, static_cast<std::uint32_t>(record.homes.size()));
      if (fresh) record.homes.push_back(home->key);
      home_index = found->second;
    }
    const Task& task = item->move->task;
    record.tasks.push_back({task.id, task.place.order, home_index, item->from.slot, task.progress});
    run->entries.push_back({task.id, task.place.order, home_index, item->from.slot});
  }
  out_.Put(database_.runs(), runs::run_key(run->key, Kind::moved),
           runs::encode_moved(run->key, record));
  run->homes = std::move(record.homes);
  keep(std::move(run));
}

void Packer::write_index() {
  std::ranges::sort(new_homes_, {}, [](const NewHome& home) {
    return std::tuple(home.key.generation, home.key.first_order);
  });
  std::size_t open = 0;  // the earliest run that may reach as far as the present one
  for (std::size_t i = 0; i < new_homes_.size(); ++i) {
    const RunKey& key = new_homes_[i].key;
    while (open < i && (new_homes_[open].key.generation != key.generation ||
                        new_homes_[open].last.value < key.first_order)) {
      ++open;
    }
    const TaskId first{key.first_order};
    out_.Put(database_.index(), runs::id_key(key.generation, first),
             runs::encode_index(first, {key.priority, key.eta, new_homes_[i].last,
                                        TaskId{new_homes_[open].key.first_order}}));
  }
}

// ---- Finishes, purges, drops ----

Result<void> Packer::add_finishes(const Batch& batch) {
  for (const Batch::Finish& finish : batch.finishes) {
    const auto from = take(finish.generation, finish.id, finish.place);
    if (!from) return fail(from.error());
    Run& home = *from->home;
    Run::Slot& slot = home.slots[from->slot];
    slot.finished = true;
    --home.live;
    home.live_bytes -= slot.inline_bytes;
    change(home);
    if (slot.apart) {
      out_.SingleDelete(database_.bodies(), runs::id_key(finish.generation, finish.id));
    }
    forget_key_entry(out_, database_, finish.generation, finish.key, finish.place);
  }
  return {};
}

void Packer::forget_range(rocksdb::ColumnFamilyHandle* family, const std::string& prefix) {
  out_.DeleteRange(family, prefix, runs::after_prefix(prefix));
}

void Packer::purge(const Generation& generation) {
  const std::string prefix = runs::generation_prefix(generation);
  for (auto* family : {database_.runs(), database_.index(), database_.bodies(), database_.keys()}) {
    forget_range(family, prefix);
  }
  RunKey from{generation, 0, Wall::min(), 0};
  RunKey to{generation, std::numeric_limits<std::uint8_t>::max(), Wall::max(),
            std::numeric_limits<std::uint64_t>::max()};
  forget_runs(from, to);
}

void Packer::drop(QueueNumber queue) {
  const std::string prefix = runs::queue_prefix(queue);
  for (auto* family : {database_.runs(), database_.index(), database_.bodies(), database_.keys()}) {
    forget_range(family, prefix);
  }
  RunKey from{{queue, 0}, 0, Wall::min(), 0};
  RunKey to{{queue, std::numeric_limits<std::uint32_t>::max()},
            std::numeric_limits<std::uint8_t>::max(),
            Wall::max(),
            std::numeric_limits<std::uint64_t>::max()};
  forget_runs(from, to);
}

void Packer::forget_runs(RunKey from, RunKey to) {
  std::erase_if(changed_, [&](const Run* run) { return run->key >= from && run->key <= to; });
  forgotten_thin_.erase(forgotten_thin_.lower_bound(from), forgotten_thin_.upper_bound(to));
  for (auto run = runs_.lower_bound(from); run != runs_.end() && run->first <= to;) {
    Run& gone = *run->second;
    ++run;
    forget(gone);
  }
}

// ---- Runs in memory ----

Result<Packer::Located> Packer::take(const Generation& generation, TaskId id, const Place& place) {
  const auto at = run_at(generation, place);
  if (!at) return fail(at.error());
  Run& run = **at;
  if (run.is_home) {
    const auto slot = std::ranges::lower_bound(run.slots, id, {}, &Run::Slot::id);
    if (slot == run.slots.end() || slot->id != id || place.order != id.value || slot->finished ||
        slot->moved) {
      return missing("where it was put", id);
    }
    return Located{&run, static_cast<std::uint32_t>(slot - run.slots.begin())};
  }
  const auto entry = std::ranges::lower_bound(run.entries, place.order, {}, &Run::Entry::order);
  if (entry == run.entries.end() || entry->order != place.order || entry->id != id) {
    return missing("where it was moved to", id);
  }
  const auto home = home_of(run.homes[entry->home]);
  if (!home) return fail(home.error());
  if (*home == nullptr || entry->slot >= (*home)->slots.size()) return missing("at home", id);
  const Run::Slot& slot = (*home)->slots[entry->slot];
  if (slot.id != id || slot.finished || !slot.moved || (*home)->places[entry->slot] != place ||
      run.live == 0) {
    return missing("where its marks say", id);
  }
  if (--run.live == 0) change(run);
  return Located{*home, entry->slot};
}

Result<Packer::Run*> Packer::run_at(const Generation& generation, const Place& place) {
  if (last_ != nullptr && last_->spans(generation, place)) return last_;
  auto found = runs_.upper_bound(RunKey{generation, place.priority, place.eta, place.order});
  if (found != runs_.begin()) {
    --found;
    if (found->second->spans(generation, place)) {
      touch(*found->second);
      return last_ = found->second.get();
    }
  }
  // One iterator for all of a round: what the round changes is in memory, so it is not out of date.
  if (lookups_ == nullptr) {
    lookups_.reset(database_.db().NewIterator(rocksdb::ReadOptions(), database_.runs()));
  }
  rocksdb::Iterator* const it = lookups_.get();
  it->SeekForPrev(runs::place_key(generation, place.priority, place.eta, place.order) + '\xff');
  if (!it->status().ok()) return fail(store_error("cannot read a run", it->status()));
  if (!it->Valid()) return missing("in any run", TaskId{place.order});
  const auto parsed = runs::parse_run_key(it->key().ToStringView());
  if (!parsed || parsed->kind == Kind::marks || runs_.contains(parsed->run)) {
    return missing("in any run", TaskId{place.order});
  }
  const auto read = parsed->kind == Kind::home ? read_home(parsed->run, it->value())
                                               : read_moved(parsed->run, it->value());
  if (!read) return fail(read.error());
  if (!(*read)->spans(generation, place)) return missing("in any run", TaskId{place.order});
  return last_ = *read;
}

Result<Packer::Run*> Packer::home_of(const RunKey& key) {
  const auto found = runs_.find(key);
  if (found != runs_.end()) {
    touch(*found->second);
    return found->second.get();
  }
  rocksdb::PinnableSlice value;
  const rocksdb::Status status = database_.db().Get(rocksdb::ReadOptions(), database_.runs(),
                                                    runs::run_key(key, Kind::home), &value);
  if (status.IsNotFound()) return nullptr;
  if (!status.ok()) return fail(store_error("cannot read a home run", status));
  return read_home(key, value);
}

Result<Packer::Run*> Packer::read_home(const RunKey& key, const rocksdb::Slice& value) {
  const auto record = runs::decode_home(key, value.ToStringView());
  if (!record) return fail(record.error());
  auto run = std::make_unique<Run>();
  run->key = key;
  run->is_thin = forgotten_thin_.erase(key) > 0;
  run->last_order = record->tasks.empty() ? key.first_order : record->tasks.back().id.value;
  run->rewritten = record->rewritten;
  run->slots.resize(record->slots, {.finished = true});
  for (const HomeTask& task : record->tasks) {
    const auto bytes = static_cast<std::uint32_t>(task.apart ? 0 : task.payload_bytes);
    run->slots[task.slot] = {task.id, bytes, false, task.apart, false};
    run->stored_bytes += bytes;
  }
  TaskId before{};
  for (Run::Slot& slot : run->slots) {
    if (slot.finished) slot.id = before;
    before = slot.id;
  }

  rocksdb::PinnableSlice marks_value;
  const rocksdb::Status status = database_.db().Get(rocksdb::ReadOptions(), database_.runs(),
                                                    runs::run_key(key, Kind::marks), &marks_value);
  if (!status.ok() && !status.IsNotFound()) return fail(store_error("cannot read marks", status));
  if (status.ok()) {
    const auto marks = runs::decode_marks(key, marks_value.ToStringView());
    if (!marks) return fail(marks.error());
    if (marks->slots != run->slots.size()) {
      return fail(Reason::store_failed, "damaged records: marks of another size than their run");
    }
    run->has_marks = true;
    for (std::uint32_t i = 0; i < marks->slots; ++i) {
      if (marks->is_finished(i)) run->slots[i].finished = true;
    }
    if (!marks->moved.empty()) run->places.resize(run->slots.size());
    for (const Marks::Moved& range : marks->moved) {
      for (std::uint32_t i = 0; i < range.tasks; ++i) {
        run->slots[range.slot + i].moved = true;
        run->places[range.slot + i] = range.place;
        run->places[range.slot + i].order += i;
      }
    }
  }
  for (const Run::Slot& slot : run->slots) {
    if (slot.finished) continue;
    ++run->live;
    run->live_bytes += slot.inline_bytes;
  }
  return &keep(std::move(run));
}

Result<Packer::Run*> Packer::read_moved(const RunKey& key, const rocksdb::Slice& value) {
  const auto record = runs::decode_moved(key, value.ToStringView());
  if (!record) return fail(record.error());
  auto run = std::make_unique<Run>();
  run->is_home = false;
  run->key = key;
  run->last_order = record->tasks.empty() ? key.first_order : record->tasks.back().order;
  run->homes = record->homes;
  for (const MovedTask& task : record->tasks) {
    run->entries.push_back({task.id, task.order, task.home, task.slot});
    // Which of its entries still count is only written at their homes.
    const auto home = home_of(record->homes[task.home]);
    if (!home) return fail(home.error());
    if (*home == nullptr || task.slot >= (*home)->slots.size()) continue;
    const Run::Slot& slot = (*home)->slots[task.slot];
    if (slot.id == task.id && !slot.finished && slot.moved &&
        (*home)->places[task.slot] == Place{key.priority, key.eta, task.order}) {
      ++run->live;
    }
  }
  return &keep(std::move(run));
}

Packer::Run& Packer::keep(std::unique_ptr<Run> run) {
  Run& kept = *run;
  slots_ += kept.weight();
  kept.use = by_use_.insert(by_use_.end(), &kept);
  runs_[kept.key] = std::move(run);
  return kept;
}

void Packer::forget(Run& run) {
  if (last_ == &run) last_ = nullptr;
  slots_ -= run.weight();
  by_use_.erase(run.use);
  runs_.erase(run.key);
}

void Packer::touch(Run& run) { by_use_.splice(by_use_.end(), by_use_, run.use); }

void Packer::change(Run& run) {
  if (run.changed) return;
  run.changed = true;
  changed_.push_back(&run);
}

Result<void> Packer::rewrite(Run& run) {
  const std::string key = runs::run_key(run.key, Kind::home);
  rocksdb::PinnableSlice value;
  const rocksdb::Status status =
      database_.db().Get(rocksdb::ReadOptions(), database_.runs(), key, &value);
  if (!status.ok()) return fail(store_error("cannot read a home run", status));
  auto record = runs::decode_home(run.key, value.ToStringView());
  if (!record) return fail(record.error());
  std::erase_if(record->tasks,
                [&run](const HomeTask& task) { return run.slots[task.slot].finished; });
  out_.Put(database_.runs(), key, runs::encode_rewritten(run.key, *record));
  run.rewritten = true;
  run.stored_bytes = run.live_bytes;
  return {};
}

}  // namespace deferd
