// What doors keep beside tasks is in the very commit of the call that it tells of.
#include "engine/documents.h"

#include <gtest/gtest.h>

#include "engine/testing/driver.h"

namespace deferd {
namespace {

const QueueName queue = EngineDriver::name("q");

TEST(Documents, TheOldestGoWhenTheyAreOverOrTooMany) {
  Documents documents(3, 100);
  const auto at = [](std::int64_t second) { return wall_from_micros(second * 1'000'000); };
  documents.put({queue, "a", std::string(10, 'x'), at(10)});
  documents.put({queue, "b", std::string(10, 'x'), at(20)});
  documents.put({queue, "a", std::string(10, 'x'), at(30)});
  EXPECT_TRUE(documents.forget(at(19)).empty()) << "put anew, a is not over";
  EXPECT_EQ(documents.forget(at(20)), (std::vector<Document>{{queue, "b", "", Wall{}}}));
  documents.put({queue, "c", std::string(10, 'x'), at(40)});
  documents.put({queue, "d", std::string(75, 'x'), at(50)});
  EXPECT_TRUE(documents.forget(at(20)).empty());
  documents.put({queue, "e", "x", at(60)});
  EXPECT_EQ(documents.forget(at(20)), (std::vector<Document>{{queue, "a", "", Wall{}}}))
      << "a fourth";
  documents.put({queue, "e", std::string(20, 'x'), at(60)});
  EXPECT_EQ(documents.forget(at(20)), (std::vector<Document>{{queue, "c", "", Wall{}}}))
      << "more bytes than allowed";
}

class KeptDocuments : public testing::Test {
 protected:
  void SetUp() override { driver_.make("q"); }

  std::vector<Document> stored() { return driver_.store().load()->documents; }
  Result<std::vector<Result<Task>>> add(const std::string& name) {
    AddTasks command{
        queue, driver_.new_tasks({{.name = name, .delay = std::chrono::hours(9)}}), {}};
    command.document = [this](const std::vector<Result<Task>>& added) {
      const std::string bytes = added.front() ? to_string(added.front()->id) : "refused";
      return Document{{}, "add", bytes, driver_.now().wall + Seconds(3600)};
    };
    return driver_.ask<std::vector<Result<Task>>>(std::move(command));
  }

  EngineDriver driver_;
};

TEST_F(KeptDocuments, AnAddAndADeletionKeepWhatCameOfThem) {
  const auto added = add("a");
  ASSERT_TRUE(added);
  ASSERT_EQ(stored().size(), 1U);
  EXPECT_EQ(stored().front().bytes, to_string(added->front()->id));
  EXPECT_EQ(stored().front().queue, queue);
  EXPECT_FALSE(add("a")->front());
  EXPECT_EQ(stored().front().bytes, "refused") << "also when it changed nothing";
  DeleteTasks command{queue, {"a"}, {}};
  command.document = [this](const std::vector<Result<void>>& deleted) {
    return Document{{}, "delete", std::to_string(deleted.size()), driver_.now().wall + Seconds(60)};
  };
  ASSERT_TRUE(driver_.ask<std::vector<Result<void>>>(std::move(command)));
  EXPECT_EQ(stored().size(), 2U);
}

TEST_F(KeptDocuments, TheyOutliveRestartAndQueueAndGoWhenTheyAreOver) {
  ASSERT_TRUE(add("a"));
  driver_.restart();
  ASSERT_TRUE(driver_.ask<void>(DeleteQueue{queue, {}}));
  EXPECT_EQ(stored().size(), 1U);
  driver_.advance(Seconds(3600));
  driver_.make("other");  // any commit will do
  EXPECT_TRUE(stored().empty());
}

TEST_F(KeptDocuments, ACommitThatFailsKeepsNeitherTaskNorDocument) {
  driver_.store().fail_next_commit(MemoryStore::Fault::lost);
  EXPECT_FALSE(add("a"));
  driver_.restart();
  EXPECT_TRUE(stored().empty());
  EXPECT_EQ(driver_.stats("q").tasks, 0U);
}

}  // namespace
}  // namespace deferd
