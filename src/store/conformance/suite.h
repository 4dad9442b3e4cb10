// What every store must do (the rules of engine/store.h), as a library of tests. A store joins with
// three lines in a test of its own:
//
//   INSTANTIATE_TEST_SUITE_P(Memory, StoreConformance, testing::Values(StoreParam{"memory",
//   make_box}),
//                            store_param_name);
//
// and by linking this library whole (the linker drops tests that nobody calls):
//   target_link_libraries(store_memory_test PRIVATE
//   $<LINK_LIBRARY:WHOLE_ARCHIVE,deferd_store_conformance>)
//
// Topics, a file each: tasks, moves, lanes, keys, names, queues, generations, outcomes, history,
// rules, failures, payloads, damage, random_script. No test asks which store it runs on.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/random.h"
#include "engine/store.h"

namespace deferd {

// A disk with a store open on it. Everything that a test does to a store beyond the port goes
// through here.
class StoreBox {
 public:
  virtual ~StoreBox() = default;

  virtual Store& store() = 0;

  // Each ends the store in its way and opens another on what is left; false: the store does not
  // come up again.
  virtual bool reopen() = 0;                   // closed cleanly
  virtual bool kill(Random& random) = 0;       // as kill -9
  virtual bool power_cut(Random& random) = 0;  // what was not synced is lost, or torn

  // From now on what commits write fails, until the next of the calls above.
  virtual void fail_writes() = 0;

  // Makes stored records of tasks undecodable behind the store's back; false: this store has no
  // such records.
  virtual bool damage_tasks() = 0;
};

struct StoreParam {
  std::string name;
  std::function<std::unique_ptr<StoreBox>()> make;
};

inline std::string store_param_name(const testing::TestParamInfo<StoreParam>& info) {
  return info.param.name;
}
// What GoogleTest prints of a parameter.
inline void PrintTo(const StoreParam& param, std::ostream* out) { *out << param.name; }

// Answers as text, one line a task, so that a difference can be read.
std::string to_text(const Task& task);
std::string to_text(const ReadAnswer& answer);
std::string to_text(const Store::Loaded& loaded);

// Waits for the answer.
Result<void> commit_and_wait(Store& store, Batch batch);
Result<ReadAnswer> read_and_wait(Store& store, Read read);

class StoreConformance : public testing::TestWithParam<StoreParam> {
 protected:
  void SetUp() override {
    box_ = GetParam().make();
    ASSERT_NE(box_, nullptr);
  }

  StoreBox& box() { return *box_; }
  Store& store() { return box_->store(); }

  // Commits, and expects that it succeeds.
  void commit(Batch batch) {
    const Result<void> done = commit_and_wait(store(), std::move(batch));
    EXPECT_TRUE(done.has_value()) << done.error().message;
  }
  // Reads, and expects that it succeeds.
  template <class Answer>
  Answer read(Read what) {
    Result<ReadAnswer> answer = read_and_wait(store(), std::move(what));
    if (!answer) {
      ADD_FAILURE() << answer.error().message;
      return {};
    }
    return std::get<Answer>(std::move(*answer));
  }

  // The ids of a lane, a key or a generation, in the order in which a walk in pages of `page` tasks
  // meets them.
  std::vector<std::uint64_t> lane_ids(Generation generation, int priority,
                                      std::uint32_t page = 1000);
  std::vector<std::uint64_t> key_ids(Generation generation, const std::string& key,
                                     std::uint32_t page = 1000);
  std::vector<std::uint64_t> all_ids(Generation generation, std::uint32_t page = 1000);
  std::optional<Task> find(Generation generation, std::uint64_t id);

  static constexpr Generation first{QueueNumber{1}, 0};
  static Wall at(std::int64_t ms) { return wall_from_micros(1'800'000'000'000'000 + ms * 1000); }
  static Task task(std::uint64_t id, Wall eta, int priority = 5, std::string payload = "payload");
  static Task with_key(Task task, std::string key);
  static QueueRecord record(std::uint64_t number, std::uint32_t generation = 0);
  static Batch puts(const std::vector<Task>& tasks, Generation generation = first);
  // The task moved to a place with a new order.
  static Batch::Move move(const Task& task, Wall eta, std::uint64_t order,
                          Generation generation = first);
  static Batch::Finish finish(const Task& task, Generation generation = first);

 private:
  std::unique_ptr<StoreBox> box_;
};

using Ids = std::vector<std::uint64_t>;

}  // namespace deferd
