// The folder and RocksDB in it: opening, settings, column families, and the lock against a second
// server. Only this room and bench/plain include it (it brings RocksDB's headers along).
//
//   FOLDER/FORMAT   "deferd store, format 1", written once, before anything else is
//   FOLDER/LOCK     held with flock while a server has the folder; holds its process id
//   FOLDER/db/      RocksDB
//   FOLDER/spare_log   the next log, full of zeros (log_files.h)
#pragma once

#include <rocksdb/db.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/rocksdb/log_files.h"
#include "store/rocksdb/store.h"

namespace deferd {

constexpr int store_format = 1;  // a higher one is refused

// What tests put between the store and its world.
struct Seams {
  // What RocksDB reads and writes through; null: the system's.
  std::shared_ptr<rocksdb::FileSystem> file_system;
  // How much is written before RocksDB's memory goes to files. A restart reads the log again from
  // there (about a second for each 200 MB), and the logs take twice as much on the disk.
  std::uint64_t flush_bytes = 32 << 20;
  // How many slots of runs the packer remembers, some twenty bytes each: enough for what is leased
  // or about to be, many times over.
  std::uint64_t cached_slots_max = 1 << 20;
  // How many writes a run that is mostly finished is left alone before it is rewritten: most end on
  // their own.
  std::uint64_t thin_rounds = 512;
};

// All members are set once open() has returned, and do not change.
class Database {
 public:
  static Result<std::unique_ptr<Database>> open(const RocksOptions& options, const Seams& seams);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  rocksdb::DB& db() { return *db_; }
  LogFiles& log_files() { return *log_files_; }
  const Seams& seams() const { return seams_; }

  rocksdb::ColumnFamilyHandle* meta() const {
    return families_[0];
  }  // queues, counters, marks of ours
  rocksdb::ColumnFamilyHandle* runs() const {
    return families_[1];
  }  // home runs, marks, moved runs
  rocksdb::ColumnFamilyHandle* index() const { return families_[2]; }  // id -> home run
  rocksdb::ColumnFamilyHandle* bodies() const {
    return families_[3];
  }  // id -> payload, if it is large
  rocksdb::ColumnFamilyHandle* keys() const { return families_[4]; }  // (key, place) -> id
  rocksdb::ColumnFamilyHandle* names() const {
    return families_[5];
  }  // name -> its task or tombstone
  rocksdb::ColumnFamilyHandle* tombstones() const {
    return families_[6];
  }  // by when the name is free
  rocksdb::ColumnFamilyHandle* outcomes() const { return families_[7]; }  // id -> kept outcome
  rocksdb::ColumnFamilyHandle* ends() const { return families_[8]; }  // of outcomes, by kept_until
  rocksdb::ColumnFamilyHandle* history() const { return families_[9]; }  // (id, number) -> attempt
  const std::vector<rocksdb::ColumnFamilyHandle*>& families() const { return families_; }

 private:
  Database() = default;

  int lock_fd_ = -1;
  Seams seams_;
  std::shared_ptr<LogFiles> log_files_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
};

// The lowest number that no queue has had.
Result<QueueNumber> read_next_number(Database& database);

// As open_rocksdb(), for tests.
Result<std::unique_ptr<Store>> open_rocksdb(const RocksOptions& options, const Seams& seams);

// A status of RocksDB as an error of ours: `doing` says what for.
Error store_error(std::string_view doing, const rocksdb::Status& status);

}  // namespace deferd
