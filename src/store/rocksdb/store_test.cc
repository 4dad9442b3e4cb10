#include "store/rocksdb/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <mutex>

#include "base/testing/seed.h"
#include "store/conformance/suite.h"
#include "store/rocksdb/database.h"
#include "store/rocksdb/records.h"
#include "store/rocksdb/testing/faulty_files.h"

namespace deferd {
namespace {

// A folder that is removed at the end.
class Folder {
 public:
  Folder() {
    char path[] = "/tmp/deferd_store_XXXXXX";
    path_ = ::mkdtemp(path);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class RocksBox final : public StoreBox {
 public:
  RocksBox() { open(); }
  bool is_open() const { return store_ != nullptr; }

  Store& store() override { return *store_; }
  bool reopen() override {
    store_.reset();
    files_->thaw();
    return open();
  }
  bool kill(Random&) override {
    files_->freeze();
    return reopen();
  }
  bool power_cut(Random& random) override {
    files_->freeze();
    store_.reset();
    files_->power_cut(random);
    return reopen();
  }
  void fail_writes() override { files_->fail(FaultyFiles::Fault::no_space); }
  bool damage_tasks() override {
    store_.reset();
    {
      auto database = Database::open(options(), seams());
      EXPECT_TRUE(database.has_value());
      rocksdb::DB& db = (*database)->db();
      std::vector<std::string> keys;
      const std::unique_ptr<rocksdb::Iterator> it(
          db.NewIterator(rocksdb::ReadOptions(), (*database)->runs()));
      for (it->SeekToFirst(); it->Valid(); it->Next()) keys.push_back(it->key().ToString());
      for (const std::string& key : keys) {
        std::string value;
        EXPECT_TRUE(db.Get(rocksdb::ReadOptions(), (*database)->runs(), key, &value).ok());
        value.resize(value.size() / 2);
        EXPECT_TRUE(db.Put(rocksdb::WriteOptions(), (*database)->runs(), key, value).ok());
      }
    }
    return open();
  }

  FaultyFiles& files() { return *files_; }

 private:
  RocksOptions options() const {
    return {.folder = folder_.path() + "/data", .block_cache_bytes = 8 << 20, .on_commit = {}};
  }
  // Flushes early, so that a test of a second meets several logs and levels.
  Seams seams() const { return {.file_system = files_, .flush_bytes = 1 << 20}; }
  bool open() {
    auto opened = open_rocksdb(options(), seams());
    if (!opened) {
      ADD_FAILURE() << opened.error().message;
      return false;
    }
    store_ = std::move(*opened);
    return true;
  }

  Folder folder_;
  std::shared_ptr<FaultyFiles> files_ = std::make_shared<FaultyFiles>(folder_.path() + "/graves");
  std::unique_ptr<Store> store_;
};

INSTANTIATE_TEST_SUITE_P(RocksDb, StoreConformance,
                         testing::Values(StoreParam{"rocksdb",
                                                    []() -> std::unique_ptr<StoreBox> {
                                                      auto box = std::make_unique<RocksBox>();
                                                      if (!box->is_open()) return nullptr;
                                                      return box;
                                                    }}),
                         store_param_name);

}  // namespace
}  // namespace deferd
