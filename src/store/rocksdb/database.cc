#include "store/rocksdb/database.h"

#include <fcntl.h>
#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/bytes.h"
#include "base/unix_file.h"
#include "store/rocksdb/records.h"

namespace deferd {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view format_words = "deferd store, format ";

Result<void> sync_folder(const std::string& folder) {
  const UnixFile file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.fd() < 0 || ::fsync(file.fd()) != 0) return system_error("cannot sync " + folder, errno);
  return {};
}

Result<void> make_folder(const std::string& folder) {
  std::error_code error;
  const bool made = fs::create_directories(folder, error);
  if (error) return fail(Reason::store_failed, "cannot make " + folder + ": " + error.message());
  // Tasks carry what callers gave, secrets too: nobody else reads them.
  if (::chmod(folder.c_str(), 0700) != 0) {
    return system_error("cannot make " + folder + " private (mode 0700)", errno);
  }
  if (!made) return {};
  const fs::path parent = fs::absolute(folder, error).lexically_normal().parent_path();
  return sync_folder(parent.string());
}

Result<int> lock_folder(const std::string& folder) {
  const std::string path = folder + "/LOCK";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return system_error("cannot open " + path, errno);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int number = errno;
    char owner[32] = {};
    const ssize_t read = ::pread(fd, owner, sizeof owner - 1, 0);
    ::close(fd);
    if (number != EWOULDBLOCK) return system_error("cannot lock " + path, number);
    std::string who(owner, read > 0 ? static_cast<std::size_t>(read) : 0);
    while (!who.empty() && (who.back() < '0' || who.back() > '9')) who.pop_back();
    return fail(Reason::store_failed, folder + " is in use by another server" +
                                          (who.empty() ? std::string() : " (process " + who + ")") +
                                          ": stop it, or give this one a folder of its own");
  }
  const std::string owner = std::to_string(::getpid()) + "\n";
  // Only to name the holder; the lock is what counts.
  if (::ftruncate(fd, 0) != 0 ||
      ::pwrite(fd, owner.data(), owner.size(), 0) != static_cast<ssize_t>(owner.size())) {
    const int number = errno;
    ::close(fd);
    return system_error("cannot write " + path, number);
  }
  return fd;
}

Result<void> write_format(const std::string& folder) {
  const std::string path = folder + "/FORMAT";
  const std::string fresh = path + ".new";
  const std::string text = std::string(format_words) + std::to_string(store_format) + "\n";
  {
    const UnixFile file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (file.fd() < 0) return system_error("cannot make " + fresh, errno);
    if (::write(file.fd(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::fsync(file.fd()) != 0) {
      return system_error("cannot write " + fresh, errno);
    }
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return system_error("cannot make " + path, errno);
  return sync_folder(folder);
}

Result<void> check_format(const std::string& folder) {
  const std::string path = folder + "/FORMAT";
  const UnixFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.fd() < 0) {
    if (errno != ENOENT) return system_error("cannot open " + path, errno);
    std::error_code error;
    if (fs::exists(folder + "/db", error)) {
      return fail(
          Reason::store_failed,
          folder +
              " holds db but no FORMAT: it is not a data folder of deferd, or FORMAT was lost");
    }
    return write_format(folder);
  }
  char buffer[128];
  const ssize_t read = ::read(file.fd(), buffer, sizeof buffer);
  if (read < 0) return system_error("cannot read " + path, errno);
  std::string_view text(buffer, static_cast<std::size_t>(read));
  int format = 0;
  if (text.starts_with(format_words)) {
    text.remove_prefix(format_words.size());
    std::from_chars(text.data(), text.data() + text.size(), format);
  }
  if (format <= 0) {
    return fail(Reason::store_failed, path + " does not read \"" + std::string(format_words) +
                                          std::to_string(store_format) + "\"");
  }
  if (format > store_format) {
    return fail(Reason::store_failed, folder + " has format " + std::to_string(format) +
                                          " of a newer deferd; this one knows formats up to " +
                                          std::to_string(store_format));
  }
  return {};
}

rocksdb::DBOptions database_options(rocksdb::Env* env) {
  rocksdb::DBOptions options;
  options.env = env;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.max_background_jobs = 2;
  options.max_open_files = 512;
  options.bytes_per_sync = 1 << 20;

  // Takes what is whole up to the first tear. That loses nothing but the last batches as long as no
  // log holds anything while an earlier one has a tail that was not synced: the committer syncs
  // before it lets RocksDB change logs, and nothing else makes RocksDB change them.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.max_total_wal_size = std::uint64_t{1} << 40;
  options.allow_fallocate = false;  // logs are written ahead (log_files.h), which is worth more

  // A failed write or fsync is never tried again (rule 4): the kernel may have dropped what it
  // could not write.
  options.max_bgerror_resume_count = 0;

  options.allow_concurrent_memtable_write = false;  // there is one writer
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.keep_log_file_num = 2;
  options.max_log_file_size = 4 << 20;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

rocksdb::ColumnFamilyOptions family_options(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions options;
  // Never reached: the committer flushes all families together, long before (committer.cc).
  options.write_buffer_size = 256 << 20;
  options.max_write_buffer_number = 4;
  // What lies in the first level is rewritten whenever the newest files join it, since their keys
  // reach from what was consumed at the head of a lane to what was added at its tail: so many join
  // it at once. Below it a file of tail keys meets no other and is moved, not rewritten, as long as
  // the levels have one compression: some 25 GB deep.
  options.level0_file_num_compaction_trigger = 8;
  options.target_file_size_base = 64 << 20;
  options.max_bytes_for_level_base = 256 << 20;
  options.compression_per_level = {rocksdb::kNoCompression,  rocksdb::kNoCompression,
                                   rocksdb::kNoCompression,  rocksdb::kNoCompression,
                                   rocksdb::kLZ4Compression, rocksdb::kLZ4Compression,
                                   rocksdb::kLZ4Compression};
  // What was consumed leaves tombstones that scans and seeks would walk over: a file that holds
  // many close together is compacted soon.
  options.table_properties_collector_factories.push_back(
      rocksdb::NewCompactOnDeletionCollectorFactory(/*sliding_window_size=*/4096,
                                                    /*deletion_trigger=*/2048));
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = 16 << 10;
  table.format_version = 5;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

}  // namespace

Error store_error(std::string_view doing, const rocksdb::Status& status) {
  std::string message = std::string(doing) + ": " + status.ToString();
  if (status.IsNoSpace()) {
    message +=
        " (the disk is full: make room and start the server again, nothing acknowledged is lost)";
  }
  return {Reason::store_failed, std::move(message), {}, std::nullopt};
}

Result<std::unique_ptr<Database>> Database::open(const RocksOptions& options, const Seams& seams) {
  if (auto made = make_folder(options.folder); !made) return fail(made.error());
  auto lock = lock_folder(options.folder);
  if (!lock) return fail(lock.error());
  std::unique_ptr<Database> database(new Database);
  database->lock_fd_ = *lock;
  database->seams_ = seams;
  if (auto format = check_format(options.folder); !format) return fail(format.error());

  const auto files =
      seams.file_system != nullptr ? seams.file_system : rocksdb::FileSystem::Default();
  // A log takes what is written between two flushes, and what is under way when the second one
  // begins.
  database->log_files_ = std::make_shared<LogFiles>(files, options.folder + "/spare_log",
                                                    seams.flush_bytes + seams.flush_bytes / 8);
  database->env_ = rocksdb::NewCompositeEnv(database->log_files_);
  const auto cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  const rocksdb::ColumnFamilyOptions plain = family_options(cache);
  rocksdb::ColumnFamilyOptions large = plain;  // values may be large, and then lie apart
  large.enable_blob_files = true;
  large.min_blob_size = 4096;
  large.blob_file_size = 128 << 20;
  large.enable_blob_garbage_collection = true;
  large.blob_garbage_collection_age_cutoff = 0.5;
  large.blob_garbage_collection_force_threshold = 0.5;
  const std::vector<rocksdb::ColumnFamilyDescriptor> families{
      {rocksdb::kDefaultColumnFamilyName, plain},
      {"runs", plain},
      {"index", plain},
      {"bodies", large},
      {"keys", plain},
      {"names", plain},
      {"tombstones", plain},
      {"outcomes", large},
      {"ends", plain},
      {"history", large},
  };
  const std::string path = options.folder + "/db";
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(database_options(database->env_.get()), path,
                                                   families, &database->families_, &db);
  database->db_.reset(db);
  if (!status.ok()) return fail(store_error("cannot open " + path, status));
  if (auto synced = sync_folder(options.folder); !synced) return fail(synced.error());
  return database;
}

Result<QueueNumber> read_next_number(Database& database) {
  std::string value;
  const rocksdb::Status status =
      database.db().Get(rocksdb::ReadOptions(), database.meta(), runs::next_number_key, &value);
  if (status.IsNotFound()) return QueueNumber{1};
  if (!status.ok()) return fail(store_error("cannot read the next queue's number", status));
  ByteReader in(value);
  const QueueNumber next{in.be64()};
  if (!in.ok() || !in.at_end()) {
    return fail(Reason::store_failed, "damaged record: the next queue's number does not decode");
  }
  return next;
}

Database::~Database() {
  if (db_ != nullptr) {
    for (rocksdb::ColumnFamilyHandle* family : families_) {
      db_->DestroyColumnFamilyHandle(family).PermitUncheckedError();
    }
    db_->Close().PermitUncheckedError();  // all that matters was synced, or has failed and said so
    db_.reset();
  }
  env_.reset();
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

}  // namespace deferd
