#include "model/names.h"

#include <gtest/gtest.h>

namespace deferd {
namespace {

TEST(TaskRef, AChosenIdNeverMeetsAGivenName) {
  for (const std::uint64_t value :
       {std::uint64_t{1}, std::uint64_t{1'732'495'812'345'678}, std::uint64_t{1} << 62}) {
    const std::string text = to_string(TaskId{value});
    EXPECT_EQ(text.size(), 20U);
    EXPECT_FALSE(parse_task_name(text)) << "a caller could take the name of " << text;
    const auto ref = parse_task_ref(text);
    ASSERT_TRUE(ref);
    EXPECT_EQ(std::get<TaskId>(*ref).value, value);
  }
}

TEST(TaskRef, OtherNumbersAreNames) {
  for (const char* text :
       {"0", "1618033988749894848", "12345678901234567890", "0000000000000000000a"}) {
    const auto ref = parse_task_ref(text);
    ASSERT_TRUE(ref) << text;
    EXPECT_EQ(std::get<std::string>(*ref), text);
  }
}

TEST(TaskName, RefusesWhatNoDoorAllows) {
  EXPECT_TRUE(parse_task_name(std::string(500, 'a')));
  for (const std::string& text :
       {std::string(), std::string(501, 'a'), std::string("a b"), std::string("a/b"),
        std::string("caf\xc3\xa9"), std::string("a\0b", 3)}) {
    EXPECT_EQ(parse_task_name(text).error().field, "name");
  }
}

TEST(QueueName, PartsHaveTheirOwnAlphabets) {
  EXPECT_EQ(QueueName::parse("p", "l", "q")->path(), "projects/p/locations/l/queues/q");
  EXPECT_TRUE(QueueName::parse("example.com:my-app", "europe-west1", "my_queue-1"));
  EXPECT_FALSE(QueueName::parse("p", "l", ""));
  EXPECT_FALSE(QueueName::parse("p", "l", "q/r"));
  EXPECT_FALSE(QueueName::parse("p", "l", "q:r"));
  EXPECT_FALSE(QueueName::parse("p", "l_x", "q"));
  EXPECT_FALSE(QueueName::parse("p", "l", std::string(101, 'q')));
}

}  // namespace
}  // namespace deferd
