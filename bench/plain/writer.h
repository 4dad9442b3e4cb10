// From batches to entries of the plain layout (plain.h): the committer's thread alone.
#pragma once

#include <rocksdb/write_batch.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "store/rocksdb/layout.h"

namespace deferd::plain {

class Writer final : public LayoutWriter {
 public:
  explicit Writer(Database& database) : database_(database) {}

  Result<void> add(const Batch& batch) override;
  Result<void> finish() override { return {}; }
  rocksdb::WriteBatch& write_batch() override { return out_; }
  void committed() override;

 private:
  void put(const Batch::Put& put);
  Result<void> move(const Batch::Move& move);
  Result<std::string> moved_value(const Batch::Move& move, const std::string& from,
                                  const std::string& index_key);
  void finish(const Batch::Finish& finish);
  // A task that this round puts, so that its entry is not on the disk yet. Null: there is none.
  const Task* put_in_round(const Generation& generation, TaskId id);

  Database& database_;
  rocksdb::WriteBatch out_;
  // Of this round:
  std::vector<const Batch::Put*> puts_;
  std::map<std::pair<Generation, TaskId>, const Task*> by_id_;  // made when it is asked for
  std::size_t in_by_id_ = 0;                                    // so many of puts_
  std::set<std::string> apart_;  // ids of those whose payload is large
};

}  // namespace deferd::plain
