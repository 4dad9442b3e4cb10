#include "store/rocksdb/log_files.h"

#include <algorithm>
#include <utility>

namespace deferd {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

LogFiles::LogFiles(std::shared_ptr<rocksdb::FileSystem> files, std::string spare,
                   std::uint64_t log_bytes)
    : FileSystemWrapper(std::move(files)), spare_(std::move(spare)), log_bytes_(log_bytes) {
  thread_ = std::thread([this] { run(); });
}

LogFiles::~LogFiles() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
  target_->DeleteFile(spare_, IOOptions(), nullptr).PermitUncheckedError();
}

void LogFiles::make_spares(bool worthwhile) {
  const std::lock_guard lock(mutex_);
  worthwhile_ = worthwhile;
  if (worthwhile && !ready_) {
    wanted_ = true;
    changed_.notify_all();
  }
}

void LogFiles::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return wanted_ || stopping_; });
    if (stopping_) return;
    wanted_ = false;
    if (ready_) continue;
    lock.unlock();
    const bool made = make_spare().ok();  // else logs grow: no reason to fail
    lock.lock();
    ready_ = made;
    better_ = ready_ && grows_;
  }
}

IOStatus LogFiles::make_spare() {
  constexpr std::uint64_t piece_bytes = 1 << 20;
  const std::string fresh = spare_ + ".new";
  const std::string zeros(std::min(piece_bytes, log_bytes_), '\0');
  std::unique_ptr<rocksdb::FSWritableFile> file;
  IOStatus status = target_->NewWritableFile(fresh, FileOptions(), &file, nullptr);
  for (std::uint64_t written = 0; status.ok() && written < log_bytes_; written += piece_bytes) {
    const rocksdb::Slice piece(zeros.data(), std::min(piece_bytes, log_bytes_ - written));
    status = file->Append(piece, IOOptions(), nullptr);
  }
  if (status.ok()) status = file->Sync(IOOptions(), nullptr);
  if (status.ok()) status = file->Close(IOOptions(), nullptr);
  file.reset();
  if (status.ok()) status = target_->RenameFile(fresh, spare_, IOOptions(), nullptr);
  // Above all when the disk is full.
  if (!status.ok()) target_->DeleteFile(fresh, IOOptions(), nullptr).PermitUncheckedError();
  return status;
}

IOStatus LogFiles::NewWritableFile(const std::string& path, const FileOptions& options,
                                   std::unique_ptr<rocksdb::FSWritableFile>* file,
                                   IODebugContext* debug) {
  if (path.ends_with(".log")) {
    const std::lock_guard lock(mutex_);
    const bool ready = std::exchange(ready_, false);
    wanted_ = worthwhile_;
    changed_.notify_all();
    // "Reused" it is open at its beginning, and keeps its length. RocksDB syncs the folder before
    // it relies on a log.
    if (ready && target_->ReuseWritableFile(path, spare_, options, file, debug).ok()) {
      grows_ = false;
      better_ = false;
      return IOStatus::OK();
    }
    grows_ = true;
    better_ = false;
  }
  return target_->NewWritableFile(path, options, file, debug);
}

}  // namespace deferd
