// A store over RocksDB as the conformance suite takes it: on files that forget, tear and fail. Any
// layout (layout.h).
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "store/conformance/suite.h"
#include "store/rocksdb/database.h"
#include "store/rocksdb/layout.h"
#include "store/rocksdb/testing/faulty_files.h"

namespace deferd {

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

// As the server has it, but that it flushes early, so that a test of a second meets several logs
// and levels.
inline Seams early_flushes() { return {.file_system = nullptr, .flush_bytes = 1 << 20}; }
class RocksBox final : public StoreBox {
 public:
  RocksBox(const Seams& seams, const Layout& layout) : seams_(seams), layout_(layout) {
    seams_.file_system = files_;
    open();
  }
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
      auto database = Database::open(options(), seams_);
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
  RocksOptions options() const {
    return {.folder = folder_.path() + "/data", .block_cache_bytes = 8 << 20, .on_commit = {}};
  }

 private:
  bool open() {
    auto opened = open_rocksdb(options(), seams_, layout_);
    if (!opened) {
      ADD_FAILURE() << opened.error().message;
      return false;
    }
    store_ = std::move(*opened);
    return true;
  }

  Folder folder_;
  std::shared_ptr<FaultyFiles> files_ = std::make_shared<FaultyFiles>(folder_.path() + "/graves");
  Seams seams_;
  const Layout layout_;
  std::unique_ptr<Store> store_;
};

// For INSTANTIATE_TEST_SUITE_P.
inline StoreParam rocks_boxes(const std::string& name, const Seams& seams, const Layout& layout) {
  return {name, [seams, layout]() -> std::unique_ptr<StoreBox> {
            auto box = std::make_unique<RocksBox>(seams, layout);
            if (!box->is_open()) return nullptr;
            return box;
          }};
}

}  // namespace deferd
