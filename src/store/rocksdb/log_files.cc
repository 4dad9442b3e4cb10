#include "store/rocksdb/log_files.h"

#include <algorithm>

namespace deferd {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

IOStatus LogFiles::fill(rocksdb::FSWritableFile& file, IODebugContext* debug) const {
  constexpr std::uint64_t piece_bytes = 1 << 20;
  const std::string zeros(piece_bytes, '\0');
  for (std::uint64_t written = 0; written < log_bytes_; written += piece_bytes) {
    const rocksdb::Slice piece(zeros.data(), std::min(piece_bytes, log_bytes_ - written));
    if (IOStatus status = file.Append(piece, IOOptions(), debug); !status.ok()) return status;
  }
  return file.Sync(IOOptions(), debug);
}

IOStatus LogFiles::NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                   std::unique_ptr<rocksdb::FSWritableFile>* file,
                                   IODebugContext* debug) {
  if (IOStatus status = target_->NewWritableFile(path, options, file, debug);
      !status.ok() || !path.ends_with(".log")) {
    return status;
  }
  const IOStatus filled = fill(**file, debug);
  const IOStatus closed = (*file)->Close(IOOptions(), debug);
  file->reset();
  // "Reused" under its own name it is open at its beginning, and keeps its length.
  if (filled.ok() && closed.ok()) {
    return target_->ReuseWritableFile(path, path, options, file, debug);
  }
  // It may be that the disk is too full for the zeros, yet not for what there is to write.
  if (IOStatus status = target_->DeleteFile(path, IOOptions(), debug); !status.ok()) return status;
  return target_->NewWritableFile(path, options, file, debug);
}

}  // namespace deferd
