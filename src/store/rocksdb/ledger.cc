#include "store/rocksdb/ledger.h"

#include <memory>
#include <utility>

#include "store/rocksdb/records.h"

namespace deferd {

Result<void> Ledger::open() {
  const rocksdb::Status status =
      database_.db().Get(rocksdb::ReadOptions(), database_.meta(), runs::swept_to_key, &swept_to_);
  if (!status.ok() && !status.IsNotFound()) {
    return fail(store_error("cannot read where the sweep of names stands", status));
  }
  const auto next = read_next_number(database_);
  if (!next) return fail(next.error());
  next_number_ = *next;
  return {};
}

Result<void> Ledger::sweep(const Batch& batch) {
  if (!batch.sweep_names_before) return {};
  const std::string end = runs::tombstone_start(*batch.sweep_names_before);
  if (swept_to_ >= end) return {};
  const rocksdb::Slice upper = end;
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  std::unique_ptr<rocksdb::Iterator> it(
      database_.db().NewIterator(options, database_.tombstones()));
  std::uint32_t swept = 0;
  for (it->Seek(swept_to_); it->Valid() && swept < batch.sweep_names_max; it->Next()) {
    const auto tombstone = runs::parse_tombstone_key(it->key().ToStringView());
    if (!tombstone) return fail(Reason::store_failed, "damaged record: a tombstone's key");
    const std::string name = runs::name_key(tombstone->queue, tombstone->name);
    std::string value;
    const rocksdb::Status status =
        database_.db().Get(rocksdb::ReadOptions(), database_.names(), name, &value);
    if (status.ok()) {
      const auto entry = runs::decode_name(value);
      if (!entry) return fail(entry.error());
      // Else the name was taken anew; this tombstone was left behind.
      if (entry->free_at == tombstone->free_at) {
        out_.Delete(database_.names(), name);
        ++swept;
      }
    } else if (!status.IsNotFound()) {
      return fail(store_error("cannot read a name", status));
    }
    out_.Delete(database_.tombstones(), it->key());
    swept_to_ = it->key().ToString();
    swept_changed_ = true;
  }
  if (!it->status().ok()) return fail(store_error("cannot read tombstones", it->status()));
  return {};
}

void Ledger::add_queues(const Batch& batch) {
  for (const QueueRecord& record : batch.queues) {
    out_.Put(database_.meta(), runs::meta_key('Q', record.number), runs::encode_queue(record));
    if (record.number < next_number_) continue;
    next_number_ = QueueNumber{record.number.value + 1};
    out_.Put(database_.meta(), runs::next_number_key, runs::queue_prefix(next_number_));
  }
  for (const Batch::SetCounters& change : batch.counters) {
    out_.Put(database_.meta(), runs::meta_key('C', change.queue),
             runs::encode_counters(change.counters));
  }
  for (const ProjectRecord& project : batch.projects) {
    const std::string key = runs::project_key(project.project);
    if (project.bytes_max == 0) {
      out_.Delete(database_.meta(), key);
    } else {
      out_.Put(database_.meta(), key, runs::encode_project(project.bytes_max));
    }
  }
  for (const GoneQueue& gone : batch.gone) {
    const std::string key = runs::gone_key(gone.name);
    if (gone.free_at == Wall{}) {
      out_.Delete(database_.meta(), key);
    } else {
      out_.Put(database_.meta(), key, runs::encode_gone(gone.free_at));
    }
  }
  for (const Document& document : batch.documents) {
    const std::string key = runs::document_key(document.queue, document.key);
    if (document.bytes.empty()) {
      out_.Delete(database_.meta(), key);
    } else {
      out_.Put(database_.meta(), key, runs::encode_document(document));
    }
  }
}

void Ledger::add_names(const Batch& batch) {
  for (const Batch::SetName& change : batch.names) {
    out_.Put(database_.names(), runs::name_key(change.queue, change.name),
             runs::encode_name(change.entry));
    if (change.entry.free_at == Wall{}) continue;
    std::string tombstone = runs::tombstone_key(change.entry.free_at, change.queue, change.name);
    out_.Put(database_.tombstones(), tombstone, rocksdb::Slice());
    if (tombstone < swept_to_) {
      swept_to_ = std::move(tombstone);
      swept_changed_ = true;
    }
  }
}

void Ledger::add_outcomes(const Batch& batch) {
  for (const StoredOutcome& outcome : batch.outcomes) {
    const std::string key = runs::outcome_key(outcome.queue, outcome.id);
    const std::string end = runs::end_key(outcome.queue, outcome.kept_until, outcome.id);
    if (outcome.bytes.empty()) {  // each was written once since it was last deleted
      out_.SingleDelete(database_.outcomes(), key);
      out_.SingleDelete(database_.ends(), end);
    } else {
      out_.Put(database_.outcomes(), key, outcome.bytes);
      out_.Put(database_.ends(), end,
               runs::encode_end({outcome.id, outcome.kept_until, outcome.bytes.size(),
                                 outcome.generation, outcome.history_first, outcome.history_end}));
    }
  }
}

void Ledger::add_history(const Batch& batch) {
  for (const AttemptEntry& entry : batch.history) {
    const std::string key = runs::attempt_key(entry.generation, entry.id, entry.number);
    if (entry.bytes.empty()) {
      out_.SingleDelete(database_.history(), key);  // written once
    } else {
      out_.Put(database_.history(), key, entry.bytes);
    }
  }
}

void Ledger::forget_range(rocksdb::ColumnFamilyHandle* family, const std::string& prefix) {
  out_.DeleteRange(family, prefix, runs::after_prefix(prefix));
}

void Ledger::add(const Batch& batch) {
  add_queues(batch);
  add_names(batch);
  add_outcomes(batch);
  add_history(batch);
  // Last: what a batch does to a generation that it purges is gone with the rest.
  for (const Generation& generation : batch.purged) {
    forget_range(database_.history(), runs::generation_prefix(generation));
  }
  for (const QueueNumber queue : batch.dropped) drop(queue);
}

void Ledger::finish() {
  if (!swept_changed_) return;
  out_.Put(database_.meta(), runs::swept_to_key, swept_to_);
  swept_changed_ = false;
}

// Its tombstones are left to the sweep, which finds no names to them.
void Ledger::drop(QueueNumber queue) {
  const std::string prefix = runs::queue_prefix(queue);
  for (auto* family :
       {database_.names(), database_.outcomes(), database_.ends(), database_.history()}) {
    forget_range(family, prefix);
  }
  out_.Delete(database_.meta(), runs::meta_key('Q', queue));
  out_.Delete(database_.meta(), runs::meta_key('C', queue));
}

}  // namespace deferd
