#include "store/rocksdb/testing/faulty_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/assert.h"

namespace deferd {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus dead() { return IOStatus::IOError("the process is dead, as was asked for"); }

std::uint64_t size_of(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

std::string parent(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

}  // namespace

// Only appends: RocksDB writes its files from front to back, a log from its beginning over
// the zeros that it was made of.
class FaultyFiles::File final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(FaultyFiles& files, const std::string& path, std::shared_ptr<Content> content,
       std::uint64_t offset, std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)),
        files_(files),
        content_(std::move(content)),
        offset_(offset),
        fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~File() override {
    if (fd_ >= 0) ::close(fd_);
  }

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    if (IOStatus ok = files_.allowed(false); !ok.ok()) return ok;
    remember(data.size());
    return target()->Append(data, options, debug);
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    if (IOStatus ok = files_.allowed(true); !ok.ok()) return ok;
    const std::lock_guard lock(files_.mutex_);
    content_->unsynced.clear();
    return target()->Flush(options, debug);  // the fsync itself would only cost time here
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Sync(options, debug);
  }
  IOStatus RangeSync(std::uint64_t, std::uint64_t, const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();  // only a hint to begin early
  }
  IOStatus Truncate(std::uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    if (IOStatus ok = files_.allowed(false); !ok.ok()) return ok;
    return target()->Truncate(size, options, debug);
  }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    return target()->Close(options, debug);
  }

 private:
  void remember(std::uint64_t bytes) {
    const std::lock_guard lock(files_.mutex_);
    Write write{offset_, bytes, {}};
    if (offset_ < content_->size) {
      write.before.resize(std::min(bytes, content_->size - offset_));
      const ssize_t read =
          ::pread(fd_, write.before.data(), write.before.size(), static_cast<off_t>(offset_));
      write.before.resize(read < 0 ? 0 : static_cast<std::size_t>(read));
    }
    offset_ += bytes;
    content_->size = std::max(content_->size, offset_);
    content_->unsynced.push_back(std::move(write));
  }

  FaultyFiles& files_;
  const std::shared_ptr<Content> content_;
  std::uint64_t offset_;
  const int fd_;
};

class FaultyFiles::Folder final : public rocksdb::FSDirectoryWrapper {
 public:
  Folder(FaultyFiles& files, std::string path, std::unique_ptr<rocksdb::FSDirectory> folder)
      : FSDirectoryWrapper(std::move(folder)), files_(files), path_(std::move(path)) {
    while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  }
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    if (IOStatus ok = files_.allowed(true); !ok.ok()) return ok;
    const std::lock_guard lock(files_.mutex_);
    std::erase_if(files_.changes_, [this](const FolderChange& change) {
      if (parent(change.path) != path_) return false;
      if (!change.buried.empty()) ::unlink(change.buried.c_str());
      return true;
    });
    return IOStatus::OK();
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions&) override {
    return Fsync(options, debug);
  }

 private:
  FaultyFiles& files_;
  std::string path_;
};

FaultyFiles::FaultyFiles(std::string graveyard)
    : FileSystemWrapper(rocksdb::FileSystem::Default()), graveyard_(std::move(graveyard)) {
  std::filesystem::create_directories(graveyard_);
}

void FaultyFiles::freeze() {
  const std::lock_guard lock(mutex_);
  frozen_ = true;
}

void FaultyFiles::thaw() {
  const std::lock_guard lock(mutex_);
  frozen_ = false;
  fault_ = Fault::none;
}

void FaultyFiles::fail(Fault fault, std::uint64_t calls) {
  const std::lock_guard lock(mutex_);
  fault_ = fault;
  fault_from_ = calls_ + calls;
}

std::uint64_t FaultyFiles::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

IOStatus FaultyFiles::allowed(bool is_sync) {
  const std::lock_guard lock(mutex_);
  if (frozen_) return dead();
  if (calls_++ < fault_from_) return IOStatus::OK();
  switch (fault_) {
    case Fault::none:
      return IOStatus::OK();
    case Fault::no_space:
      return is_sync ? IOStatus::OK() : IOStatus::NoSpace("No space left on device");
    case Fault::write_fails:
      return is_sync ? IOStatus::OK() : IOStatus::IOError("Input/output error");
    case Fault::sync_fails:
      return is_sync ? IOStatus::IOError("Input/output error") : IOStatus::OK();
  }
  return IOStatus::OK();
}

std::shared_ptr<FaultyFiles::Content> FaultyFiles::content(const std::string& path) {
  auto& content = contents_[path];
  if (content == nullptr) content = std::make_shared<Content>();
  return content;
}

std::string FaultyFiles::bury(const std::string& path) {
  const std::string grave = graveyard_ + "/" + std::to_string(next_grave_++);
  if (::rename(path.c_str(), grave.c_str()) != 0) return {};
  const auto found = contents_.find(path);
  if (found != contents_.end()) {
    contents_[grave] = found->second;
    contents_.erase(found);
  }
  return grave;
}

IOStatus FaultyFiles::NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* file,
                                      IODebugContext* debug) {
  if (IOStatus ok = allowed(false); !ok.ok()) return ok;
  std::shared_ptr<Content> fresh;
  {
    const std::lock_guard lock(mutex_);
    std::string buried;
    if (std::filesystem::exists(path)) buried = bury(path);
    contents_.erase(path);
    fresh = content(path);
    changes_.push_back({FolderChange::Kind::made, path, {}, std::move(buried)});
  }
  std::unique_ptr<rocksdb::FSWritableFile> real;
  if (IOStatus ok = target_->NewWritableFile(path, options, &real, debug); !ok.ok()) return ok;
  *file = std::make_unique<File>(*this, path, std::move(fresh), 0, std::move(real));
  return IOStatus::OK();
}

IOStatus FaultyFiles::ReopenWritableFile(const std::string& path,
                                         const rocksdb::FileOptions& options,
                                         std::unique_ptr<rocksdb::FSWritableFile>* file,
                                         IODebugContext* debug) {
  if (IOStatus ok = allowed(false); !ok.ok()) return ok;
  std::unique_ptr<rocksdb::FSWritableFile> real;
  if (IOStatus ok = target_->ReopenWritableFile(path, options, &real, debug); !ok.ok()) return ok;
  const std::lock_guard lock(mutex_);
  auto known = content(path);
  known->size = size_of(path);
  *file = std::make_unique<File>(*this, path, known, known->size, std::move(real));
  return IOStatus::OK();
}

IOStatus FaultyFiles::ReuseWritableFile(const std::string& path, const std::string& old_path,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSWritableFile>* file,
                                        IODebugContext* debug) {
  if (IOStatus ok = allowed(false); !ok.ok()) return ok;
  std::unique_ptr<rocksdb::FSWritableFile> real;
  if (IOStatus ok = target_->ReuseWritableFile(path, old_path, options, &real, debug); !ok.ok()) {
    return ok;
  }
  const std::lock_guard lock(mutex_);
  auto known = content(old_path);
  known->size = size_of(path);
  if (path != old_path) {
    contents_.erase(old_path);
    contents_[path] = known;
    changes_.push_back({FolderChange::Kind::renamed, path, old_path, {}});
  }
  *file = std::make_unique<File>(*this, path, known, 0, std::move(real));
  return IOStatus::OK();
}

IOStatus FaultyFiles::NewDirectory(const std::string& path, const IOOptions& options,
                                   std::unique_ptr<rocksdb::FSDirectory>* folder,
                                   IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSDirectory> real;
  if (IOStatus ok = target_->NewDirectory(path, options, &real, debug); !ok.ok()) return ok;
  *folder = std::make_unique<Folder>(*this, path, std::move(real));
  return IOStatus::OK();
}

IOStatus FaultyFiles::DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) {
  const std::lock_guard lock(mutex_);
  if (frozen_) return dead();
  if (!std::filesystem::exists(path)) return IOStatus::PathNotFound(path);
  changes_.push_back({FolderChange::Kind::removed, path, {}, bury(path)});
  return IOStatus::OK();
}

IOStatus FaultyFiles::RenameFile(const std::string& from, const std::string& to,
                                 const IOOptions& options, IODebugContext* debug) {
  const std::lock_guard lock(mutex_);
  if (frozen_) return dead();
  std::string buried;
  if (std::filesystem::exists(to)) buried = bury(to);
  if (IOStatus ok = target_->RenameFile(from, to, options, debug); !ok.ok()) return ok;
  auto known = content(from);
  contents_.erase(from);
  contents_[to] = known;
  changes_.push_back({FolderChange::Kind::renamed, to, from, std::move(buried)});
  return IOStatus::OK();
}

IOStatus FaultyFiles::Truncate(const std::string& path, size_t size, const IOOptions& options,
                               IODebugContext* debug) {
  if (IOStatus ok = allowed(false); !ok.ok()) return ok;
  return target_->Truncate(path, size, options, debug);
}

void FaultyFiles::power_cut(Random& random) {
  const std::lock_guard lock(mutex_);
  DEFERD_ASSERT(frozen_);
  const auto move = [this](const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) return;
    const auto found = contents_.find(from);
    if (found == contents_.end()) return;
    contents_[to] = found->second;
    contents_.erase(from);
  };
  // The folder's changes go through a journal: a number of the first ones is on the disk.
  const std::uint64_t kept = random.below(changes_.size() + 1);
  while (changes_.size() > kept) {
    const FolderChange& last = changes_.back();
    switch (last.kind) {
      case FolderChange::Kind::made:
        ::unlink(last.path.c_str());
        contents_.erase(last.path);
        break;
      case FolderChange::Kind::renamed:
        move(last.path, last.from);
        break;
      case FolderChange::Kind::removed:
        break;
    }
    if (!last.buried.empty()) move(last.buried, last.path);
    changes_.pop_back();
  }
  for (const FolderChange& change : changes_) {
    if (!change.buried.empty()) ::unlink(change.buried.c_str());
    contents_.erase(change.buried);
  }
  changes_.clear();
  for (auto& [path, content] : contents_) tear(path, *content, random);
  contents_.clear();
}

void FaultyFiles::tear(const std::string& path, Content& content, Random& random) {
  if (content.unsynced.empty()) return;
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  // Puts back what stood in [offset + from, offset + to), zeros where nothing did.
  const auto undo = [fd](const Write& write, std::uint64_t from, std::uint64_t to) {
    std::string before = write.before;
    before.resize(write.bytes);
    [[maybe_unused]] const ssize_t written =
        ::pwrite(fd, before.data() + from, to - from, static_cast<off_t>(write.offset + from));
  };
  if (random.chance(60)) {
    const std::uint64_t kept = random.below(content.unsynced.size() + 1);
    for (std::uint64_t i = content.unsynced.size(); i-- > kept;) {
      const Write& write = content.unsynced[i];
      const std::uint64_t torn_at = i == kept ? random.below(write.bytes + 1) : 0;
      undo(write, torn_at, write.bytes);
      if (write.before.size() < write.bytes) {
        const std::uint64_t end = std::max<std::uint64_t>(write.before.size(), torn_at);
        [[maybe_unused]] const int cut = ::ftruncate(fd, static_cast<off_t>(write.offset + end));
      }
    }
  } else {
    constexpr std::uint64_t sector = 512;
    for (std::uint64_t i = content.unsynced.size(); i-- > 0;) {
      const Write& write = content.unsynced[i];
      for (std::uint64_t from = 0; from < write.bytes; from += sector) {
        if (random.chance(50)) undo(write, from, std::min(from + sector, write.bytes));
      }
    }
  }
  ::close(fd);
}

}  // namespace deferd
