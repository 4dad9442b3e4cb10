// Logs that are full of zeros before they are used. An fsync into blocks that were written before
// costs half of one that makes a file grow: there is no length and there are no extents to record.
// (RocksDB can recycle its logs to that end; version 7.8 does so only in a recovery mode that skips
// what is torn in the middle, and then crashes when it flushes.)
//
// A thread keeps one spare ready while the last is in use. A log that is wanted before that simply
// grows; so does the first one, since a start must not wait for a spare: the committer asks for one
// with its first commit, and changes to it when it is ready. Zeros cost as much to write as what
// replaces them, so no spare is made while commits are large: there an fsync is mostly data. A
// spare of an earlier process is never used: after a power cut it may hold the beginning of a log
// that was renamed from it.
//
// Readers take zeros for padding: a record of type zero and length zero.
#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace deferd {

class LogFiles final : public rocksdb::FileSystemWrapper {
 public:
  // `spare`: a path on the database's file system, outside its folder. `log_bytes`: how long a log
  // becomes.
  LogFiles(std::shared_ptr<rocksdb::FileSystem> files, std::string spare, std::uint64_t log_bytes);
  ~LogFiles() override;

  const char* Name() const override { return "LogFiles"; }

  // Whether spares are worth their making, from now on. Thread-safe; until it is called none is
  // made.
  void make_spares(bool worthwhile);

  // The log in use grows, and a spare is ready to take its place. Thread-safe.
  bool better_log_ready() const { return better_.load(std::memory_order_relaxed); }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;

 private:
  void run();
  rocksdb::IOStatus make_spare();

  const std::string spare_;
  const std::uint64_t log_bytes_;

  std::mutex mutex_;  // guards the rest
  std::condition_variable changed_;
  bool ready_ = false;
  bool wanted_ = false;
  bool worthwhile_ = false;
  bool grows_ = false;  // the log in use
  bool stopping_ = false;
  std::atomic<bool> better_{false};  // ready_ && grows_
  std::thread thread_;
};

}  // namespace deferd
