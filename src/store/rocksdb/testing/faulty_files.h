// A file system under RocksDB that the test may hurt. It passes everything on to the real one, and
// remembers what the disk would not have yet: writes since a file's last fsync (with what they
// wrote over), and creations, renames and removals since their folder's last fsync.
//
// freeze() is kill -9: nothing that is still done reaches the files. power_cut() takes back what
// the disk had not: of the folder's changes a random number of the last; of each file's writes
// either all after some point, that one torn at a random byte, or (a disk writes in any order)
// random sectors of them.
//
// A store is opened on it, frozen, destroyed, perhaps cut, thawed, and opened anew.
#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/random.h"

namespace deferd {

class FaultyFiles final : public rocksdb::FileSystemWrapper {
 public:
  // `graveyard`: a folder beside the database for files that were removed but may come back.
  explicit FaultyFiles(std::string graveyard);

  const char* Name() const override { return "FaultyFiles"; }

  void freeze();
  void thaw();
  // Requires that it is frozen and that no file is open.
  void power_cut(Random& random);

  enum class Fault : std::uint8_t { none, no_space, write_fails, sync_fails };
  // The fault begins after `calls` more writes and syncs, and stays until fail(Fault::none).
  void fail(Fault fault, std::uint64_t calls = 0);
  // Writes and syncs so far.
  std::uint64_t calls() const;

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReuseWritableFile(const std::string& path, const std::string& old_path,
                                      const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* file,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* folder,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus Truncate(const std::string& path, size_t size,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override;

 private:
  class File;
  class Folder;
  struct Write {
    std::uint64_t offset;
    std::uint64_t bytes;
    std::string before;  // what stood there: shorter than `bytes` where the file ended
  };
  struct Content {
    std::uint64_t size = 0;
    std::vector<Write> unsynced;
  };
  struct FolderChange {
    enum class Kind : std::uint8_t { made, renamed, removed } kind;
    std::string path;    // renamed: the new one
    std::string from;    // renamed: the old one
    std::string buried;  // what was removed, or renamed over; empty: nothing
  };

  rocksdb::IOStatus allowed(bool is_sync);  // counts
  std::shared_ptr<Content> content(const std::string& path);
  std::string bury(const std::string& path);  // with mutex_ held
  void tear(const std::string& path, Content& content, Random& random);

  const std::string graveyard_;
  mutable std::mutex mutex_;  // guards all below
  bool frozen_ = false;
  Fault fault_ = Fault::none;
  std::uint64_t calls_ = 0;
  std::uint64_t fault_from_ = 0;
  std::uint64_t next_grave_ = 0;
  std::map<std::string, std::shared_ptr<Content>> contents_;
  std::vector<FolderChange> changes_;
};

}  // namespace deferd
