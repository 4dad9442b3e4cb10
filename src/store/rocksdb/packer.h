// From batches to one write: packs what is put and moved into runs, and what is finished into
// marks.
//
// The state of the runs that were touched of late (which slots live, where the others stand) is
// kept in memory, so that a lease or an end of recent tasks reads nothing; of others it is read
// once. The cache only ever holds what the disk holds, plus what the write under construction will
// make of it.
//
// One of the layouts that layout.h speaks of, and the one that deferd has.
#pragma once

#include <rocksdb/write_batch.h>

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/store.h"
#include "store/rocksdb/database.h"
#include "store/rocksdb/layout.h"
#include "store/rocksdb/records.h"

namespace deferd {

class Packer final : public LayoutWriter {
 public:
  explicit Packer(Database& database);
  ~Packer() override;

  Result<void> add(const Batch& batch) override;
  Result<void> finish() override;
  rocksdb::WriteBatch& write_batch() override { return out_; }
  void committed() override;

 private:
  using RunKey = runs::RunKey;
  struct Run;
  // A task at home.
  struct Located {
    Run* home = nullptr;
    std::uint32_t slot = 0;
  };
  // What goes into runs: puts and moves of a batch, by lane, ETA and order.
  struct Item {
    Generation generation;
    Place place;
    const Batch::Put* put = nullptr;  // else a move
    const Batch::Move* move = nullptr;
    Located from;  // of a move
  };
  struct NewHome {
    RunKey key;
    TaskId last;
  };

  Result<void> add_runs(const Batch& batch);
  void write_home(const Item* begin, const Item* end);
  void write_moved(const Item* begin, const Item* end);
  void write_index();
  Result<void> add_finishes(const Batch& batch);
  void purge(const Generation& generation);
  void drop(QueueNumber queue);
  void forget_runs(RunKey from, RunKey to);
  void forget_range(rocksdb::ColumnFamilyHandle* family, const std::string& prefix);

  // Finds a task that the engine says stands at `place`, and takes it from there: what moved there
  // before counts one less. An error: the records do not hold such a task.
  Result<Located> take(const Generation& generation, TaskId id, const Place& place);
  // The run whose orders span the place: from memory or from the disk. Never null.
  Result<Run*> run_at(const Generation& generation, const Place& place);
  // Null: there is no such run.
  Result<Run*> home_of(const RunKey& key);
  Result<Run*> read_home(const RunKey& key, const rocksdb::Slice& value);
  Result<Run*> read_moved(const RunKey& key, const rocksdb::Slice& value);
  Run& keep(std::unique_ptr<Run> run);
  void forget(Run& run);
  void touch(Run& run);
  void change(Run& run);  // written, or deleted, by finish()
  Result<void> rewrite(Run& run);

  Database& database_;
  rocksdb::WriteBatch out_;
  std::map<RunKey, std::unique_ptr<Run>> runs_;  // home runs and moved runs
  std::list<Run*> by_use_;                       // least recently used first
  std::uint64_t slots_ = 0;                      // of all in runs_: what is bounded
  Run* last_ = nullptr;                          // found last: the next task is often in it too
  std::vector<Run*> changed_;                    // in this round
  std::unique_ptr<rocksdb::Iterator> lookups_;   // of this round: over runs on the disk
  std::vector<NewHome> new_homes_;               // of this batch
  std::vector<Item> items_;                      // of this batch
  // Runs that are mostly finished, with the round in which they came to be. They are rewritten when
  // they are still there some time later: most will have ended on their own.
  std::deque<std::pair<std::uint64_t, RunKey>> thin_;
  std::set<RunKey> forgotten_thin_;  // those of them that the cache dropped
  std::uint64_t round_ = 0;
};

}  // namespace deferd
