#include "deferd/task.h"

#include <gtest/gtest.h>

#include <optional>
#include <stdexcept>
#include <vector>

#include "deferd/worker.h"

namespace deferd::inline v1 {
namespace {

struct Size {
  int width = 0;
  int height = 0;
};
BOOST_DESCRIBE_STRUCT(Size, (), (width, height))

struct Resize {
  static constexpr std::string_view name = "resize";
  std::string url;
  int width = 100;
  std::optional<int> height;
  std::vector<std::string> tags;

  Size run(Context& context) const {
    if (url.empty()) throw NeverAgain("there is no url");
    if (context.attempt > 3) throw std::runtime_error("still no luck");
    return {width, height.value_or(width)};
  }
};
BOOST_DESCRIBE_STRUCT(Resize, (), (url, width, height, tags))

struct Forget {
  static constexpr std::string_view name = "forget";
  void run(Context&) {}
};
BOOST_DESCRIBE_STRUCT(Forget, (), ())

using Code = detail::TaskCode<Resize>;

Resize read(const char* payload) { return Code::read(detail::read_payload(payload)); }

// The words of the refusal.
std::string refused(const char* payload) {
  try {
    read(payload);
  } catch (const NeverAgain& error) {
    return error.what();
  }
  return "";
}

TEST(Task, ItsMembersTravelByName) {
  EXPECT_EQ(
      Code::write({.url = "u", .width = 5, .tags = {"a"}}),
      R"({"task":"resize","args":[],"kwargs":{"url":"u","width":5,"height":null,"tags":["a"]}})");
  EXPECT_EQ(detail::TaskCode<Forget>::write({}), R"({"task":"forget","args":[],"kwargs":{}})");
}

// As Python writes resize("u", 5, tags=["a"]).
TEST(Task, ArgumentsByPlaceAndByNameAreReadAndTheRestKeepsItsDefault) {
  const Resize task = read(R"({"task": "resize", "args": ["u", 5], "kwargs": {"tags": ["a"]}})");
  EXPECT_EQ(task.url, "u");
  EXPECT_EQ(task.width, 5);
  EXPECT_EQ(task.height, std::nullopt);
  EXPECT_EQ(task.tags, std::vector<std::string>{"a"});
  EXPECT_EQ(read(R"({"task": "resize"})").width, 100);
}

TEST(Task, WhatIsWrongWithArgumentsIsSaid) {
  const auto has = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_TRUE(has(refused(R"({"task": "resize", "kwargs": {"width": "5"}})"), "resize: width: "));
  EXPECT_TRUE(has(refused(R"({"task": "resize", "kwargs": {"widht": 5}})"),
                  "resize: widht: there is no such"));
  EXPECT_TRUE(has(refused(R"({"task": "resize", "args": ["u"], "kwargs": {"url": "v"}})"),
                  "url: it is given twice"));
  EXPECT_TRUE(has(refused(R"({"task": "resize", "args": [1, 2, 3, 4, 5]})"),
                  "5 arguments are given; it takes 4"));
  EXPECT_TRUE(has(refused("resize"), "the payload is no task"));
  EXPECT_TRUE(has(refused(R"(["resize"])"), "it is no object"));
  EXPECT_TRUE(has(refused(R"({"args": []})"), "it names no task"));
  EXPECT_TRUE(has(refused(R"({"task": "resize", "kw": {}})"), "\"kw\""));
}

TEST(Worker, RunsTheTaskThatAPayloadNames) {
  Worker worker;
  worker.add<Resize>().add<Forget>();
  Context context;
  EXPECT_EQ(worker.run_payload(R"({"task": "resize", "args": ["u", 5]})", context),
            R"({"width":5,"height":5})");
  EXPECT_EQ(worker.run_payload(R"({"task": "forget"})", context), "null");
  EXPECT_THROW(worker.run_payload(R"({"task": "resize"})", context), NeverAgain);
  context.attempt = 4;
  EXPECT_THROW(worker.run_payload(R"({"task": "resize", "args": ["u"]})", context),
               std::runtime_error);
}

// As deferd.Executor.map() submits many calls as one task.
TEST(Worker, RunsACallForEachListOfArguments) {
  Worker worker;
  worker.add<Resize>();
  Context context;
  EXPECT_EQ(worker.run_payload(R"({"task": "resize", "each": [["u", 5], ["v", 6, 7]]})", context),
            R"([{"width":5,"height":5},{"width":6,"height":7}])");
  EXPECT_THROW(worker.run_payload(R"({"task": "resize", "each": [5]})", context), NeverAgain);
}

TEST(Worker, TheLastAttemptOfACallFailsForGood) {
  Worker worker;
  worker.add<Resize>();
  Context context;
  context.attempt = 4;
  const char* const payload =
      R"({"task": "resize", "args": ["u"], "max_attempts": 5, "timeout": 1.5})";
  try {
    worker.run_payload(payload, context);
    FAIL();
  } catch (const NeverAgain&) {
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "still no luck");
  }
  context.attempt = 5;
  EXPECT_THROW(worker.run_payload(payload, context), NeverAgain);
}

// It may be another worker's.
TEST(Worker, ATaskThatItDoesNotKnowIsNotGivenUp) {
  Worker worker;
  worker.add<Resize>();
  Context context;
  try {
    worker.run_payload(R"({"task": "resized"})", context);
    FAIL();
  } catch (const NeverAgain&) {
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "this worker has no task named resized; it has: resize");
  }
}

TEST(Worker, HasEachNameOnce) {
  Worker worker;
  worker.add<Resize>();
  EXPECT_THROW(worker.add<Resize>(), std::invalid_argument);
}

TEST(Task, AResultIsReadAsWhatRunReturned) {
  TaskResult result{.state = ResultState::succeeded, .body = R"({"width":5,"height":6})"};
  EXPECT_EQ(detail::ResultCode<Size>::read(result).height, 6);
  EXPECT_THROW(detail::ResultCode<int>::read(result), Error);
  result.truncated = true;
  EXPECT_THROW(detail::ResultCode<Size>::read(result), Error);
}

}  // namespace
}  // namespace deferd::inline v1
