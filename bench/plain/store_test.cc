// The plain layout passes the suite of all stores: what is measured is a whole store.
#include "bench/plain/plain.h"
#include "store/conformance/suite.h"
#include "store/rocksdb/testing/rocks_box.h"

namespace deferd {
namespace {

INSTANTIATE_TEST_SUITE_P(Plain, StoreConformance,
                         testing::Values(rocks_boxes("plain", early_flushes(), plain_layout())),
                         store_param_name);

// Nothing is left of tasks that ended, also of those that moved or carried much.
TEST(PlainStore, NothingIsLeftOfTasksThatEnded) {
  const Folder folder;
  const RocksOptions options{.folder = folder.path() + "/data"};
  constexpr Generation generation{QueueNumber{1}, 0};
  const auto task = [](std::uint64_t id) {
    Task task;
    task.id = TaskId{id};
    task.place.order = id;
    task.payload = share(std::string(id % 7 == 0 ? 20'000 : 300, 'x'));
    return task;
  };
  const auto moved_to = [](std::uint64_t id) {
    return Place{priority_default, wall_from_micros(1000), 1000 + id};
  };
  {
    auto store = open_plain(options);
    ASSERT_TRUE(store.has_value()) << store.error().message;
    // Some are moved by the round that puts them, or ended by the round that moves them, as it
    // happens: none is waited for.
    Batch puts;
    Batch moves;
    Batch ends;
    for (std::uint64_t id = 1; id <= 100; ++id) {
      puts.puts.push_back({generation, task(id)});
      Batch::Finish end{generation, TaskId{id}, task(id).place, {}};
      if (id % 3 == 0) {
        Batch::Move move{generation, task(id).place, task(id)};
        move.task.place = moved_to(id);
        moves.moves.push_back(move);
        end.place = moved_to(id);
      }
      ends.finishes.push_back(end);
    }
    for (Batch* batch : {&puts, &moves, &ends}) {
      (*store)->commit(std::move(*batch), [](Result<void> done) { EXPECT_TRUE(done.has_value()); });
    }
  }
  auto database = Database::open(options, Seams{});
  ASSERT_TRUE(database.has_value()) << database.error().message;
  for (auto* family :
       {(*database)->runs(), (*database)->index(), (*database)->bodies(), (*database)->keys()}) {
    const std::unique_ptr<rocksdb::Iterator> it(
        (*database)->db().NewIterator(rocksdb::ReadOptions(), family));
    it->SeekToFirst();
    EXPECT_FALSE(it->Valid()) << family->GetName();
  }
}

}  // namespace
}  // namespace deferd
