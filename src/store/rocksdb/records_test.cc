#include "store/rocksdb/records.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "base/random.h"
#include "base/testing/seed.h"

namespace deferd::runs {
namespace {

constexpr Generation generation{QueueNumber{7}, 3};
const RunKey key{generation, 5, wall_from_micros(1'800'000'000'000'000), 1000};

// Numbers at the edges of varints and types, and between.
std::uint64_t any_number(Random& random) {
  switch (random.below(4)) {
    case 0:
      return random.below(3);
    case 1:
      return std::numeric_limits<std::uint64_t>::max() - random.below(3);
    case 2:
      return (std::uint64_t{1} << random.below(64)) - random.below(2);
    default:
      return random.next();
  }
}
Wall any_wall(Random& random) {
  return wall_from_micros(static_cast<std::int64_t>(any_number(random)));
}

TEST(Records, RunKeysOrderAsPlacesDo) {
  Random random(test_seed());
  std::vector<RunKey> keys;
  for (int i = 0; i < 500; ++i) {
    keys.push_back(
        {{QueueNumber{any_number(random)}, static_cast<std::uint32_t>(any_number(random))},
         static_cast<std::uint8_t>(random.below(10)),
         any_wall(random),
         any_number(random)});
    if (i > 0 && random.chance(70)) keys.back().generation = keys[0].generation;
    if (i > 0 && random.chance(50)) keys.back().priority = keys[0].priority;
    if (i > 0 && random.chance(30)) keys.back().eta = keys[0].eta;
  }
  for (const RunKey& a : keys) {
    const auto parsed = parse_run_key(run_key(a, Kind::moved));
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(parsed->run, a);
    EXPECT_EQ(parsed->kind, Kind::moved);
    EXPECT_LT(run_key(a, Kind::marks), run_key(a, Kind::home));
    EXPECT_LT(run_key(a, Kind::home), run_key(a, Kind::moved));
    EXPECT_LE(place_key(a.generation, a.priority, a.eta, a.first_order), run_key(a, Kind::marks));
    for (const RunKey& b : keys) {
      EXPECT_EQ(a < b, run_key(a, Kind::home) < run_key(b, Kind::home));
    }
  }
}

TEST(Records, APrefixEndsWhereItsSuccessorBegins) {
  EXPECT_EQ(after_prefix("ab"), "ac");
  EXPECT_EQ(after_prefix(std::string("a\xff", 2)), "b");
  EXPECT_EQ(after_prefix(std::string("\x7f", 1)), std::string("\x80", 1));
  const Generation last{QueueNumber{1}, std::numeric_limits<std::uint32_t>::max()};
  EXPECT_EQ(after_prefix(generation_prefix(last)), queue_prefix(QueueNumber{2}));
}

TEST(Records, ALeaseOfAWholeRunIsOneMark) {
  Marks marks{
      .slots = run_tasks_max, .finished = std::string(run_tasks_max / 8, '\0'), .moved = {}};
  marks.moved.push_back({0, run_tasks_max, Place{5, key.eta + Seconds(60), 5000}});
  const std::string value = encode_marks(key, marks);
  EXPECT_LT(value.size(), run_tasks_max / 8 + 20u);
  const auto decoded = decode_marks(key, value);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->moved_to(run_tasks_max - 1),
            (Place{5, key.eta + Seconds(60), 5000 + run_tasks_max - 1}));
}

TEST(Records, AHundredLeasedTasksWriteAboutTwoKilobytes) {
  MovedRun run;
  run.homes.push_back(key);
  for (std::uint32_t i = 0; i < 100; ++i) {
    Progress progress{.attempts = 1,
                      .first_attempt = key.eta,
                      .last_attempt = key.eta,
                      .last_eta = key.eta,
                      .lease_token = ~std::uint64_t{0}};
    run.tasks.push_back({TaskId{1000 + i}, 5000 + i, 0, i, progress});
  }
  RunKey moved = key;
  moved.eta += Seconds(60);
  moved.first_order = 5000;
  EXPECT_LT(encode_moved(moved, run).size(), 2100u);
}

TEST(Records, MarksComeBackAsTheyWere) {
  Random random(test_seed());
  for (int round = 0; round < 500; ++round) {
    Marks marks;
    marks.slots = static_cast<std::uint32_t>(1 + random.below(run_tasks_max));
    marks.finished.resize((marks.slots + 7) / 8);
    for (char& byte : marks.finished) byte = static_cast<char>(random.next());
    for (std::uint32_t slot = 0; slot < marks.slots;) {
      slot += static_cast<std::uint32_t>(random.below(100));
      const auto tasks = static_cast<std::uint32_t>(1 + random.below(50));
      if (slot + tasks > marks.slots) break;
      marks.moved.push_back({slot, tasks,
                             Place{static_cast<std::uint8_t>(random.below(10)), any_wall(random),
                                   any_number(random)}});
      slot += tasks;
    }
    const auto decoded = decode_marks(key, encode_marks(key, marks));
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(decoded->finished, marks.finished);
    for (std::uint32_t slot = 0; slot < marks.slots; ++slot) {
      EXPECT_EQ(decoded->moved_to(slot), marks.moved_to(slot));
    }
  }
}

TEST(Records, ARewrittenRunKeepsTheSlotsOfThoseThatAreLeft) {
  Random random(test_seed());
  std::vector<Task> tasks;
  std::uint64_t id = key.first_order;
  for (int i = 0; i < 200; ++i) {
    Task task;
    task.id = TaskId{id};
    task.place = {key.priority, key.eta, id};
    task.created = any_wall(random);
    task.bytes = static_cast<std::uint32_t>(any_number(random));
    const std::uint64_t size = random.chance(5) ? 10'000 : random.below(200);
    task.payload = share(std::string(size, static_cast<char>('a' + i % 26)));
    if (random.chance(20)) {
      task.options = std::make_shared<const TaskOptions>(
          TaskOptions{.name = "name", .key = std::string(random.below(500), 'k')});
    }
    if (random.chance(20)) task.progress.last_eta = any_wall(random);
    tasks.push_back(task);
    id += 1 + random.below(10);
  }
  std::vector<const Task*> pointers;
  for (const Task& task : tasks) pointers.push_back(&task);
  const std::string value = encode_home(key, pointers);
  auto run = decode_home(key, value);
  ASSERT_TRUE(run.has_value());
  ASSERT_EQ(run->tasks.size(), tasks.size());
  EXPECT_FALSE(run->rewritten);
  std::erase_if(run->tasks, [&](const HomeTask&) { return random.chance(70); });
  const std::string rewritten = encode_rewritten(key, *run);
  const auto left = decode_home(key, rewritten);
  ASSERT_TRUE(left.has_value());
  EXPECT_TRUE(left->rewritten);
  EXPECT_EQ(left->slots, 200u);
  ASSERT_EQ(left->tasks.size(), run->tasks.size());
  for (const HomeTask& task : left->tasks) {
    const Task& original = tasks[task.slot];
    EXPECT_EQ(task.id, original.id);
    EXPECT_EQ(left->find(task.id), &task);
    EXPECT_EQ(left->at_slot(task.slot), &task);
    EXPECT_EQ(task.created, original.created);
    EXPECT_EQ(task.bytes, original.bytes);
    EXPECT_EQ(task.payload_bytes, original.payload->size());
    if (!task.apart) EXPECT_EQ(task.payload, *original.payload);
    EXPECT_EQ(task.options == nullptr, original.options == nullptr);
    if (task.options != nullptr) EXPECT_EQ(*task.options, *original.options);
    EXPECT_EQ(task.progress_index == HomeTask::no_progress ? Progress{}
                                                           : left->progress[task.progress_index],
              original.progress);
  }
}

// A record cut off anywhere, or with a byte more, does not decode: nothing is silently less.
TEST(Records, ACutRecordIsAnError) {
  Task task;
  task.id = TaskId{1003};
  task.payload = share("payload");
  task.options = std::make_shared<const TaskOptions>(TaskOptions{
      .name = "n", .timeout = Seconds(1), .keep_result = Seconds(60), .result_headers = {"X-One"}});
  task.progress.attempts = 3;
  task.progress.deaths = 1;
  task.progress.history_end = 2;
  task.progress.death = DeathReason::age;
  MovedRun moved;
  moved.homes = {key};
  moved.tasks = {{TaskId{1003}, 1004, 0, 0, task.progress}};
  const QueueRecord queue{.number = QueueNumber{1},
                          .name = {"p", "l", "q"},
                          .settings = QueueSettings::defaults(QueueMode::push),
                          .purges = {{1, key.eta}}};
  const auto check = [](const std::string& value, auto decode) {
    ASSERT_TRUE(decode(value).has_value());
    for (std::size_t size = 0; size < value.size(); ++size) {
      const auto cut = decode(std::string_view(value).substr(0, size));
      ASSERT_FALSE(cut.has_value()) << size;
      EXPECT_EQ(cut.error().reason, Reason::store_failed);
    }
    EXPECT_FALSE(decode(value + "x").has_value());
    std::string newer = value;
    newer[0] = 9;
    EXPECT_FALSE(decode(newer).has_value());
  };
  check(encode_home(key, {&task}), [](std::string_view v) { return decode_home(key, v); });
  check(encode_moved(key, moved), [](std::string_view v) { return decode_moved(key, v); });
  check(encode_marks(key, {9, std::string(2, '\1'), {{1, 3, Place{5, key.eta, 7}}}}),
        [](std::string_view v) { return decode_marks(key, v); });
  check(encode_index(TaskId{9}, {5, key.eta, TaskId{12}, TaskId{3}}),
        [](std::string_view v) { return decode_index(TaskId{9}, v); });
  check(encode_key_entry({TaskId{300}, 5}), decode_key_entry);
  check(encode_name({TaskId{300}, 2, key.eta}), decode_name);
  QueueCounters counters{.tasks = 300, .last_order = 7};
  counters.dead = {3, 300};
  check(encode_counters(counters), decode_counters);
  check(encode_end({TaskId{1}, key.eta, 300, 2, 3, 300}), [](std::string_view v) {
    return decode_end(end_key(QueueNumber{1}, key.eta, TaskId{1}), v);
  });
  const auto as_queue = [](std::string_view v) { return decode_queue(QueueNumber{1}, v); };
  check(encode_queue(queue), as_queue);
  QueueRecord with_parts = queue;
  with_parts.settings.task_ttl = Seconds(86'400);
  with_parts.settings.http_target = HttpTarget{.host = "example.com"};
  check(encode_queue(with_parts), as_queue);
}

TEST(Records, AQueueKeepsWhatMostQueuesHaveNot) {
  QueueRecord queue{.number = QueueNumber{1},
                    .name = {"p", "l", "q"},
                    .settings = QueueSettings::defaults(QueueMode::push)};
  queue.settings.log_sampling = 0.1;
  EXPECT_EQ(decode_queue(QueueNumber{1}, encode_queue(queue))->settings, queue.settings);
  queue.settings.log_sampling = 0;
  queue.settings.note = "n";
  queue.settings.task_ttl = Seconds(1);
  queue.settings.http_target = HttpTarget{.port = 0, .headers = {{"A", "b"}}};
  EXPECT_EQ(decode_queue(QueueNumber{1}, encode_queue(queue))->settings, queue.settings);
  queue.settings.dead = {Seconds(3), 0, "letters"};
  queue.settings.poison_after = 0;
  queue.settings.history = 100;
  queue.settings.result_bytes_max = 0;
  EXPECT_EQ(decode_queue(QueueNumber{1}, encode_queue(queue))->settings, queue.settings);
}

std::string from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  return bytes;
}

// Bytes as they were written before outcomes, dead letters and histories were: they are read, and
// what has none of these is written as it was.
TEST(Records, WhatWasWrittenBeforeOutcomesIsRead) {
  const std::string counters_bytes =
      from_hex("01ac02f0a2040000000000ac0200000000078080c489e5c5b206");
  QueueCounters counters{.tasks = 300, .bytes = 70'000};
  counters.lane_tasks[5] = 300;
  counters.last_order = 7;
  counters.due_from = key.eta;
  EXPECT_EQ(decode_counters(counters_bytes), counters);
  EXPECT_EQ(encode_counters(counters), counters_bytes);

  Task task;
  task.id = TaskId{1003};
  task.created = key.eta - Micros(5);
  task.bytes = 7 + task_overhead_bytes + 4;
  task.payload = share("payload");
  task.options = std::make_shared<const TaskOptions>(TaskOptions{.name = "n",
                                                                 .key = "k",
                                                                 .retry = {.max_attempts = 3,
                                                                           .max_age = Seconds(4),
                                                                           .min_backoff = Micros(5),
                                                                           .max_backoff = Micros(6),
                                                                           .max_doublings = 7},
                                                                 .timeout = Seconds(1),
                                                                 .recurrence = "daily"});
  task.progress = {.attempts = 3,
                   .responses = 2,
                   .executions = 1,
                   .last_status = status_released,
                   .first_attempt = key.eta + Micros(10),
                   .last_attempt = key.eta + Micros(20),
                   .last_eta = key.eta,
                   .last_response = key.eta + Micros(30),
                   .lease_token = 9,
                   .run_due = key.eta + Micros(70)};
  const std::string home_bytes = from_hex(
      "010001010309081307ff016e016b80897a0680a4e8030a0c0e056461696c79ff07030201091414270000"
      "0000000000093c507061796c6f6164");
  const auto home = decode_home(key, home_bytes);
  ASSERT_TRUE(home.has_value()) << home.error().message;
  ASSERT_EQ(home->tasks.size(), 1u);
  EXPECT_EQ(home->tasks[0].id, task.id);
  EXPECT_EQ(home->tasks[0].bytes, task.bytes);
  EXPECT_EQ(*home->tasks[0].options, *task.options);
  EXPECT_EQ(home->progress.at(0), task.progress);
  EXPECT_EQ(encode_home(key, {&task}), home_bytes);

  const std::string moved_bytes =
      from_hex("01010500e8070102d60f0000ff070302010914142700000000000000093c50");
  const auto moved = decode_moved(key, moved_bytes);
  ASSERT_TRUE(moved.has_value()) << moved.error().message;
  ASSERT_EQ(moved->tasks.size(), 1u);
  EXPECT_EQ(moved->tasks[0].progress, task.progress);
  EXPECT_EQ(encode_moved(key, *moved), moved_bytes);
}

// Bytes of all formats that queues were ever written in: each is read, and written as it was.
TEST(Records, QueuesOfEveryFormatAreRead) {
  const std::string common = from_hex(
      "0170016c017101ac02f6ffc389e5c5b206010090a10f809c9c390ed00f80aaea55030180a4e8030a0c0e"
      "08f0a20480d1ca080201d8ffc389e5c5b206ab02ecffc389e5c5b206");
  QueueRecord queue{.number = QueueNumber{1},
                    .name = {"p", "l", "q"},
                    .settings = {},
                    .state = QueueState::paused,
                    .generation = 300,
                    .created = key.eta - Micros(5),
                    .purges = {{1, key.eta - Micros(20)}, {299, key.eta - Micros(10)}}};
  QueueSettings& settings = queue.settings;
  settings.mode = QueueMode::pull;
  settings.rate = {.count = 250'000, .period = Seconds(60), .unlimited = false};
  settings.burst = 7;
  settings.timeout = Seconds(90);
  settings.priority = 3;
  settings.retry = {.max_attempts = -1,
                    .max_age = Seconds(4),
                    .min_backoff = Micros(5),
                    .max_backoff = Micros(6),
                    .max_doublings = 7};
  settings.max_tasks = 8;
  settings.max_bytes = 70'000;
  settings.tombstone = Seconds(9);
  const auto expect = [&queue](const std::string& bytes) {
    const auto read = decode_queue(QueueNumber{1}, bytes);
    ASSERT_TRUE(read.has_value()) << read.error().message;
    EXPECT_EQ(read->name, queue.name);
    EXPECT_EQ(read->settings, queue.settings);
    EXPECT_EQ(read->state, queue.state);
    EXPECT_EQ(read->generation, queue.generation);
    EXPECT_EQ(read->created, queue.created);
    EXPECT_EQ(read->purges, queue.purges);
    EXPECT_EQ(encode_queue(queue), bytes);
  };
  expect("\1" + common);

  const std::string appengine = from_hex(
      "0976312e776f726b65720431302f6d010f616461406578616d706c652e636f6d020362406303644065");
  settings.appengine = {.target = "v1.worker",
                        .rate_text = "10/m",
                        .user_emails = {"ada@example.com"},
                        .writer_emails = {"b@c", "d@e"}};
  expect("\2" + common + appengine);

  settings.note = "note";
  const std::string noted = common + appengine + from_hex("046e6f7465");
  expect("\3" + noted);

  const std::string first_parts = from_hex(
      "01068080bbdd83050230010101010b6578616d706c652e636f6d01903f01032f696e0103613d62010103"
      "0101410162010003784079036175640003083fd0000000000000");
  settings.task_ttl = std::chrono::hours(24);
  settings.http_target = HttpTarget{
      .scheme = HttpTarget::Scheme::https,
      .host = "example.com",
      .port = 8080,
      .path = "/in",
      .query = "a=b",
      .enforce = HttpTarget::Enforce::if_not_exists,
      .method = HttpMethod::put,
      .headers = {{"A", "b"}},
      .token =
          PushToken{.kind = PushToken::Kind::oidc, .email = "x@y", .audience = "aud", .scope = ""}};
  settings.log_sampling = 0.25;
  expect("\4" + noted + "\3" + first_parts);

  settings.dead = {Seconds(3), 5, "graves"};
  settings.poison_after = 2;
  settings.history = 20;
  settings.result_bytes_max = 1000;
  expect("\4" + noted + "\7" + first_parts +
         from_hex("040c809bee0205066772617665730501020601140702e807"));
}

TEST(Records, ATaskKeepsWhatFewTasksHave) {
  Task task;
  task.id = TaskId{1003};
  task.payload = share("payload");
  TaskOptions options;
  options.keep_result = Seconds(60);
  options.result_headers = {"X-One", "X-Two"};
  options.callback_url = "http://callback/";
  options.callback_queue = "callbacks";
  task.progress = {.attempts = 3,
                   .lease_is_named = true,
                   .deaths = 300,
                   .history_first = 7,
                   .history_end = 300'000,
                   .death = DeathReason::poison,
                   .own_priority = 9};
  for (const std::string& recurrence : {"", "daily"}) {
    options.recurrence = recurrence;
    task.options = std::make_shared<const TaskOptions>(options);
    const std::string value = encode_home(key, {&task});
    const auto home = decode_home(key, value);
    ASSERT_TRUE(home.has_value()) << home.error().message;
    EXPECT_EQ(*home->tasks[0].options, options);
    EXPECT_EQ(home->progress.at(0), task.progress);
  }
  options = {};
  options.result_headers = {"X-One"};
  task.options = std::make_shared<const TaskOptions>(options);
  const std::string value = encode_home(key, {&task});
  EXPECT_EQ(*decode_home(key, value)->tasks[0].options, options);
}

TEST(Records, CountersTellWhatIsKept) {
  QueueCounters counters{.tasks = 300, .last_order = 7};
  counters.outcomes = {4, 70'000};
  EXPECT_EQ(decode_counters(encode_counters(counters)), counters);
  counters.dead = {1, 2};
  counters.outgoing = {3, std::numeric_limits<std::uint64_t>::max()};
  EXPECT_EQ(decode_counters(encode_counters(counters)), counters);
}

TEST(Records, AnOutcomesEndTellsWhatGoesWithIt) {
  Random random(test_seed());
  std::vector<std::pair<Wall, std::uint64_t>> ends;
  for (int i = 0; i < 200; ++i) {
    const Wall kept_until = any_wall(random);
    const TaskId id{any_number(random)};
    const ScanOutcomesAnswer::Item item{
        id, kept_until, any_number(random), static_cast<std::uint32_t>(any_number(random)), 7, 300};
    const auto decoded = decode_end(end_key(QueueNumber{1}, kept_until, id), encode_end(item));
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(decoded->id, id);
    EXPECT_EQ(decoded->kept_until, kept_until);
    EXPECT_EQ(decoded->bytes, item.bytes);
    EXPECT_EQ(decoded->generation, item.generation);
    EXPECT_EQ(decoded->history_first, 7u);
    EXPECT_EQ(decoded->history_end, 300u);
    ends.emplace_back(kept_until, id.value);
  }
  for (std::size_t i = 1; i < ends.size(); ++i) {
    EXPECT_EQ(ends[i - 1] < ends[i],
              end_key(QueueNumber{1}, ends[i - 1].first, TaskId{ends[i - 1].second}) <
                  end_key(QueueNumber{1}, ends[i].first, TaskId{ends[i].second}));
  }
}

}  // namespace
}  // namespace deferd::runs
