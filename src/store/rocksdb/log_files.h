// New logs are written full of zeros before they are used. An fsync into blocks that were written
// before costs half of one that makes a file grow: no length and no extents to record. RocksDB
// recycles its logs, so this is done for the first two or three only; without it, a store would be
// slow until it has written its first hundred megabytes.
//
// A reader takes zeros for the end: a record of type zero and length zero is padding.
#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <memory>
#include <string>

namespace deferd {

class LogFiles final : public rocksdb::FileSystemWrapper {
 public:
  // `log_bytes`: how long a log becomes.
  LogFiles(std::shared_ptr<rocksdb::FileSystem> files, std::uint64_t log_bytes)
      : FileSystemWrapper(std::move(files)), log_bytes_(log_bytes) {}

  const char* Name() const override { return "LogFiles"; }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;

 private:
  rocksdb::IOStatus fill(rocksdb::FSWritableFile& file, rocksdb::IODebugContext* debug) const;

  const std::uint64_t log_bytes_;
};

}  // namespace deferd
