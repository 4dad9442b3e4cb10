#include "store/rocksdb/ledger_reads.h"

#include <memory>
#include <optional>
#include <string>

#include "store/rocksdb/records.h"

namespace deferd {
namespace {

// Calls visit(key, value) for the records whose keys begin with `prefix`, in order, until it
// returns false or an error.
template <class Visit>
Result<void> walk(Database& database, const rocksdb::ReadOptions& snapshot,
                  rocksdb::ColumnFamilyHandle* family, const std::string& prefix, Visit visit) {
  const std::string upper = runs::after_prefix(prefix);
  const rocksdb::Slice upper_slice = upper;
  rocksdb::ReadOptions options = snapshot;
  options.iterate_upper_bound = &upper_slice;
  const std::unique_ptr<rocksdb::Iterator> it(database.db().NewIterator(options, family));
  for (it->Seek(prefix); it->Valid(); it->Next()) {
    const Result<bool> more = visit(it->key().ToStringView(), it->value().ToStringView());
    if (!more) return fail(more.error());
    if (!*more) return {};
  }
  if (it->status().ok()) return {};
  return fail(store_error("cannot read the store", it->status()));
}

}  // namespace

Result<ReadAnswer> answer(Database& database, const rocksdb::ReadOptions& options,
                          const FindNames& find) {
  FindNamesAnswer answer;
  answer.entries.reserve(find.names.size());
  rocksdb::PinnableSlice value;
  for (const std::string& name : find.names) {
    value.Reset();
    answer.entries.emplace_back();
    const rocksdb::Status status =
        database.db().Get(options, database.names(), runs::name_key(find.queue, name), &value);
    if (status.IsNotFound()) continue;
    if (!status.ok()) return fail(store_error("cannot read a name", status));
    const auto entry = runs::decode_name(value.ToStringView());
    if (!entry) return fail(entry.error());
    answer.entries.back() = *entry;
  }
  return answer;
}

Result<ReadAnswer> answer(Database& database, const rocksdb::ReadOptions& options,
                          const FindOutcomes& find) {
  FindOutcomesAnswer answer;
  answer.outcomes.reserve(find.ids.size());
  for (const TaskId id : find.ids) {
    answer.outcomes.emplace_back();
    std::string bytes;
    const rocksdb::Status status =
        database.db().Get(options, database.outcomes(), runs::outcome_key(find.queue, id), &bytes);
    if (status.IsNotFound()) continue;
    if (!status.ok()) return fail(store_error("cannot read an outcome", status));
    answer.outcomes.back() = std::move(bytes);
  }
  return answer;
}

Result<ReadAnswer> answer(Database& database, const rocksdb::ReadOptions& options,
                          const ScanOutcomes& scan) {
  ScanOutcomesAnswer answer;
  answer.end = true;
  const auto walked = walk(database, options, database.ends(), runs::queue_prefix(scan.queue),
                           [&](std::string_view key, std::string_view value) -> Result<bool> {
                             if (answer.items.size() == scan.count_max) {
                               answer.end = false;
                               return false;
                             }
                             const auto item = runs::decode_end(key, value);
                             if (!item) return fail(item.error());
                             answer.items.push_back(*item);
                             return true;
                           });
  if (!walked) return fail(walked.error());
  return answer;
}

Result<ReadAnswer> answer(Database& database, const rocksdb::ReadOptions& options,
                          const ScanHistory& scan) {
  ScanHistoryAnswer answer;
  const auto walked =
      walk(database, options, database.history(), runs::id_key(scan.generation, scan.id),
           [&](std::string_view, std::string_view value) -> Result<bool> {
             answer.attempts.emplace_back(value);
             return true;
           });
  if (!walked) return fail(walked.error());
  return answer;
}

}  // namespace deferd
