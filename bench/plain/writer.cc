#include "bench/plain/writer.h"

#include <utility>

#include "bench/plain/entries.h"
#include "store/rocksdb/key_entries.h"

namespace deferd::plain {

// SingleDelete is for what was written exactly once: entries under a lane key always (an order is
// given once), those of the index as long as the task has not moved, which its order tells.

Result<void> Writer::add(const Batch& batch) {
  for (const Batch::Put& put : batch.puts) this->put(put);
  for (const Batch::Move& move : batch.moves) {
    if (auto done = this->move(move); !done) return done;
  }
  for (const Batch::Finish& finish : batch.finishes) this->finish(finish);
  // Last: what a batch does to a generation that it purges is gone with the rest.
  std::vector<std::string> prefixes;
  prefixes.reserve(batch.purged.size() + batch.dropped.size());
  for (const Generation& generation : batch.purged) {
    prefixes.push_back(runs::generation_prefix(generation));
  }
  for (const QueueNumber queue : batch.dropped) prefixes.push_back(runs::queue_prefix(queue));
  for (const std::string& prefix : prefixes) {
    for (auto* family :
         {database_.runs(), database_.index(), database_.bodies(), database_.keys()}) {
      out_.DeleteRange(family, prefix, runs::after_prefix(prefix));
    }
  }
  return {};
}

void Writer::committed() {
  out_.Clear();
  puts_.clear();
  by_id_.clear();
  in_by_id_ = 0;
  apart_.clear();
}

void Writer::put(const Batch::Put& put) {
  const Task& task = put.task;
  const std::string lane = lane_key(put.generation, task.place);
  const std::string id = runs::id_key(put.generation, task.id);
  out_.Put(database_.runs(), lane, encode(put.generation, task));
  out_.Put(database_.index(), id, lane);
  if (task.payload->size() > runs::inline_payload_bytes_max) {
    out_.Put(database_.bodies(), id, *task.payload);
    apart_.insert(id);
  }
  put_key_entry(out_, database_, put.generation, task);
  puts_.push_back(&put);
}

const Task* Writer::put_in_round(const Generation& generation, TaskId id) {
  for (; in_by_id_ < puts_.size(); ++in_by_id_) {
    const Batch::Put& put = *puts_[in_by_id_];
    by_id_[{put.generation, put.task.id}] = &put.task;
  }
  const auto found = by_id_.find({generation, id});
  return found == by_id_.end() ? nullptr : found->second;
}

// The task's entry at its new place. Its payload and options are those of its present one, which
// may be on the disk, or of this round.
Result<std::string> Writer::moved_value(const Batch::Move& move, const std::string& from,
                                        const std::string& index_key) {
  const Generation& generation = move.generation;
  const Task& task = move.task;
  std::string at = from;
  rocksdb::PinnableSlice stored;
  rocksdb::Status status = database_.db().Get({}, database_.runs(), at, &stored);
  if (status.IsNotFound()) {
    if (const Task* const put = put_in_round(generation, task.id)) {
      Task moved = *put;
      moved.place = task.place;
      moved.progress = task.progress;
      return encode(generation, moved);
    }
    // This round moves it for the second time.
    status = database_.db().Get({}, database_.index(), index_key, &at);
    if (status.ok()) status = database_.db().Get({}, database_.runs(), at, &stored);
  }
  if (!status.ok()) return fail(store_error("cannot read a task that moves", status));
  const auto place = parse_lane_key(at);
  if (!place) return fail(Reason::store_failed, "damaged record: an index entry");
  auto entry = decode(generation, *place, stored.ToStringView());
  if (!entry) return fail(entry.error());
  if (entry->id != task.id) {
    return fail(Reason::store_failed, "damaged records: a place holds another task");
  }
  return encode_moved(generation, std::move(*entry), task.place, task.progress);
}

Result<void> Writer::move(const Batch::Move& move) {
  const Task& task = move.task;
  const Generation& generation = move.generation;
  const std::string from = lane_key(generation, move.from);
  const std::string index_key = runs::id_key(generation, task.id);
  auto value = moved_value(move, from, index_key);
  if (!value) return fail(value.error());
  const std::string to = lane_key(generation, task.place);
  out_.SingleDelete(database_.runs(), from);
  out_.Put(database_.runs(), to, *value);
  out_.Put(database_.index(), index_key, to);
  forget_key_entry(out_, database_, generation, task.key(), move.from);
  put_key_entry(out_, database_, generation, task);
  return {};
}

void Writer::finish(const Batch::Finish& finish) {
  const std::string id = runs::id_key(finish.generation, finish.id);
  out_.SingleDelete(database_.runs(), lane_key(finish.generation, finish.place));
  if (finish.place.order == finish.id.value) {
    out_.SingleDelete(database_.index(), id);
  } else {
    out_.Delete(database_.index(), id);
  }
  // Whether its payload lies apart only its entry knows, which is not read for that: filters answer
  // for almost all that is on the disk.
  std::string unused;
  if (database_.db().KeyMayExist({}, database_.bodies(), id, &unused) || apart_.contains(id)) {
    out_.SingleDelete(database_.bodies(), id);
  }
  forget_key_entry(out_, database_, finish.generation, finish.key, finish.place);
}

}  // namespace deferd::plain
