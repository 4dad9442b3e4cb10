// A checker that never complains proves nothing. Each story here is a small bad history, written by
// hand, that breaks one property; the good stories beside them must pass. A story that fails on
// purpose keeps the simulator honest.
#include "sim/checker.h"

#include <gtest/gtest.h>

#include <memory>

namespace deferd::sim {
namespace {

constexpr Wall wall_start = wall_from_micros(1'000'000'000);
constexpr Mono mono_start{Seconds(1000)};

// Writes a history as it would be seen around an engine that answers every call in the run after
// it. What a test does not say is as a good engine does it.
class Story {
 public:
  explicit Story(Checker::Options options = {}) : checker_(options) { open({}, {}); }

  // The property that was violated first; 0: none.
  int violated() const { return checker_.violation() ? checker_.violation()->property : 0; }
  std::string text() const {
    return checker_.violation() ? checker_.violation()->text : "no violation";
  }

  Now now() const { return now_; }
  Wall wall() const { return now_.wall; }
  void wait(Micros time) {
    now_.wall += time;
    now_.mono += time;
  }
  void event(Event event) { checker_.on(std::move(event)); }
  void run_begins() { event(RunBegan{now_}); }
  void run_ends() { event(RunEnded{.store_busy = true, .wake_at = Mono::max()}); }
  void run() {
    run_begins();
    run_ends();
  }
  CallId call(Command command, const QueueSettings& wanted = {}) {
    const CallId id = next_call_;
    ++next_call_.value;
    event(Called{id, std::move(command), wanted});
    return id;
  }
  // Called, taken by a run, answered in the next.
  CallId ask(Command command, Answer answer, const QueueSettings& wanted = {}) {
    const CallId id = call(std::move(command), wanted);
    run();
    answer_to(id, std::move(answer));
    return id;
  }
  void answer_to(CallId id, Answer answer) {
    run_begins();
    event(Answered{id, std::move(answer)});
    run_ends();
  }

  const QueueSettings& make(QueueMode mode) {
    settings_ = QueueSettings::defaults(mode);
    settings_.retry.min_backoff = Seconds(1);
    return configure(settings_);
  }
  const QueueSettings& configure(const QueueSettings& settings) {
    settings_ = settings;
    ask(ConfigureQueue{name, {}, {}},
        Result<ConfigureQueue::Answer>(ConfigureQueue::Answer{info(), false}), settings);
    return settings_;
  }
  const QueueSettings& make(const QueueSettings& settings) {
    settings_ = settings;
    ask(ConfigureQueue{name, {}, {}},
        Result<ConfigureQueue::Answer>(ConfigureQueue::Answer{info(), true}), settings);
    created_ = wall();
    return settings_;
  }
  QueueInfo info(QueueState state = QueueState::running) const {
    return {name, settings_, state, created_, std::nullopt};
  }
  void set_state(QueueState state) {
    ask(SetQueueState{name, state, {}}, Result<QueueInfo>(info(state)));
  }

  struct Options {
    Micros delay{0};
    std::optional<std::uint8_t> priority;
    std::string name;
    std::string key;
    std::string callback_url = {};
  };
  NewTask new_task(Tag tag, const Options& options) const {
    NewTask task;
    task.payload = payload_of(tag, 8);
    task.has_target = settings_.mode == QueueMode::push;
    task.priority = options.priority;
    if (options.delay > Micros(0)) task.eta = wall() + options.delay;
    TaskOptions given;
    given.name = options.name;
    given.key = options.key;
    given.callback_url = options.callback_url;
    if (!given.empty()) task.options = std::make_shared<const TaskOptions>(given);
    return task;
  }
  Task stored(const NewTask& given) {
    Task task;
    task.id = TaskId{next_id_++};
    task.place = {given.priority.value_or(settings_.priority), given.eta.value_or(wall()),
                  task.id.value};
    task.created = wall();
    task.options = given.options;
    task.payload = given.payload;
    task.bytes = static_cast<std::uint32_t>(task_overhead_bytes + given.payload->size() +
                                            task.name().size() + task.key().size());
    return task;
  }
  Task add(Tag tag, const Options& options) {
    const NewTask given = new_task(tag, options);
    Task task = stored(given);
    ask(AddTasks{name, {given}, {}}, one(Result<Task>(task)));
    return task;
  }
  Task add(Tag tag) { return add(tag, {}); }
  Error refuse_add(Tag tag, Reason reason) {
    Error error{reason, "", "", std::nullopt};
    ask(AddTasks{name, {new_task(tag, {})}, {}}, one(Result<Task>(fail(error))));
    return error;
  }

  AttemptId start(const Task& task) {
    run_begins();
    const AttemptId id = started(task);
    run_ends();
    return id;
  }
  AttemptId started(const Task& task) {
    const AttemptId id = next_attempt_;
    ++next_attempt_.value;
    event(Started{id, Attempt{std::make_shared<const QueueName>(name), nullptr, nullptr, task,
                              settings_.timeout}});
    return id;
  }
  // Of a task that nobody asked to be added.
  AttemptId start_stranger(Tag id, const SharedBytes& payload, const std::string& task_name = {}) {
    NewTask given;
    given.payload = payload;
    auto options = std::make_shared<TaskOptions>();
    options->name = task_name;
    given.options = options;
    Task task = stored(given);
    task.id = TaskId{id};
    return start(task);
  }
  void end(AttemptId attempt, std::int16_t status) {
    event(AttemptEnded{attempt, {.status = status, .detail = {}, .retry_after = Micros(0)}});
    run();
  }

  // A grant to a caller who asked just now.
  Task lease(const Task& task, std::uint64_t token, Micros duration = Seconds(10),
             const std::string& worker = {}) {
    Task leased = task;
    leased.place.eta = wall() + duration;
    leased.place.order = next_id_++;
    leased.progress.lease_token = token;
    leased.progress.lease_is_named = !worker.empty();
    ++leased.progress.attempts;
    LeaseTasks command;
    command.worker = worker;
    command.queue = name;
    command.tasks_max = 1;
    command.duration = duration;
    ask(std::move(command),
        Result<std::vector<TaskInfo>>(std::vector<TaskInfo>{{leased, TaskState::leased}}));
    return leased;
  }
  void ack(const Task& task, std::uint64_t token, Result<void> result = {}) {
    ask(AckTasks{name, {{task.id, token}}, {}}, one(std::move(result)));
  }
  void get(const Task& task, Result<TaskInfo> answer) {
    ask(GetTask{name, task.id, {}}, std::move(answer));
  }
  void stats(QueueStats stats) {
    answer_at_once(GetQueueStats{name, {}}, Result<QueueStats>(stats));
  }
  void answer_at_once(Command command, Answer answer) {
    const CallId id = call(std::move(command));
    answer_to(id, std::move(answer));
  }

  // The process dies; the next finds these tasks (of the one queue) on its disk.
  void die(Death how, std::vector<Task> tasks) {
    event(Died{how, now_.mono});
    wait(Seconds(1));
    StoredQueue queue;
    queue.record.number = QueueNumber{1};
    queue.record.name = name;
    queue.record.settings = settings_;
    queue.record.created = created_;
    open({queue}, std::move(tasks));
  }
  void open(std::vector<StoredQueue> queues, std::vector<Task> tasks) {
    Opened opened{.now = now_,
                  .next_number = QueueNumber{queues.size() + 1},
                  .queues = std::move(queues),
                  .tasks = {}};
    opened.tasks[QueueNumber{1}] = std::move(tasks);
    event(std::move(opened));
  }

  template <class T>
  static Result<std::vector<Result<T>>> one(Result<T> result) {
    std::vector<Result<T>> results;
    results.push_back(std::move(result));
    return results;
  }

  const QueueName name{"p", "l", "q"};

 private:
  Checker checker_;
  Now now_{wall_start, mono_start};
  QueueSettings settings_;
  Wall created_ = wall_start;
  CallId next_call_{1};
  AttemptId next_attempt_{1};
  std::uint64_t next_id_ = 1;
};

Result<void> failed(Reason reason) { return fail(Error{reason, "", "", std::nullopt}); }

QueueSettings push() {
  QueueSettings settings = QueueSettings::defaults(QueueMode::push);
  settings.retry.min_backoff = Seconds(1);
  return settings;
}
QueueSettings pull() { return QueueSettings::defaults(QueueMode::pull); }

#define EXPECT_VIOLATES(story, property) EXPECT_EQ((story).violated(), property) << (story).text()
#define EXPECT_GOOD(story) EXPECT_VIOLATES(story, 0)

TEST(Checker, AGoodHistoryPasses) {
  Story story;
  story.make(push());
  Task task = story.add(1);
  const AttemptId attempt = story.start(task);
  story.end(attempt, 500);
  story.wait(Seconds(2));
  task.progress.attempts = 1;
  task.place.eta += Seconds(1);
  story.end(story.start(task), 200);
  story.stats({.executed_total = 2, .failed_total = 1});
  story.event(Ended{});
  EXPECT_GOOD(story);
}

TEST(Checker, AGoodHistoryOfLeasesPasses) {
  Story story;
  story.make(pull());
  const Task task = story.add(1);
  const Task first = story.lease(task, 7, Seconds(1));
  story.wait(Seconds(2));
  story.ack(first, 7, failed(Reason::lease_lost));
  const Task second = story.lease(first, 8);
  story.ack(second, 8);
  story.die(Death::power_cut, {});
  story.event(Ended{});
  EXPECT_GOOD(story);
}

// ---- 1

TEST(Checker, Property1ATaskThatIsGoneAfterARestart) {
  Story story;
  story.make(push());
  story.add(1);
  story.die(Death::power_cut, {});
  EXPECT_VIOLATES(story, 1);
}
TEST(Checker, Property1ATaskThatIsNotFound) {
  Story story;
  story.make(push());
  const Task task = story.add(1);
  story.get(task, fail(Reason::task_missing, ""));
  EXPECT_VIOLATES(story, 1);
}
TEST(Checker, Property1ATaskThatAListLeavesOut) {
  Story story;
  story.make(push());
  story.add(1);
  story.ask(ListTasks{.queue = story.name}, Result<ListTasks::Answer>(ListTasks::Answer{}));
  EXPECT_VIOLATES(story, 1);
}
TEST(Checker, Property1ATaskThatNeverEnds) {
  Story story;
  story.make(push());
  story.add(1);
  story.event(Ended{});
  EXPECT_VIOLATES(story, 1);
}

// ---- 2

TEST(Checker, Property2AnAttemptBeforeItsTime) {
  Story story;
  story.make(push());
  const Task task = story.add(1, {.delay = Millis(10)});
  story.wait(Millis(10) - Micros(1));
  story.start(task);
  EXPECT_VIOLATES(story, 2);
}
TEST(Checker, Property2AnAttemptBeforeTheAddIsAnswered) {
  Story story;
  story.make(push());
  const NewTask given = story.new_task(1, {});
  story.call(AddTasks{story.name, {given}, {}});
  story.run();
  story.start(story.stored(given));
  EXPECT_VIOLATES(story, 2);
}
TEST(Checker, Property2ALeaseBeforeItsTime) {
  Story story;
  story.make(pull());
  const Task task = story.add(1, {.delay = Seconds(1)});
  story.lease(task, 7);
  EXPECT_VIOLATES(story, 2);
}

// ---- 3

TEST(Checker, Property3ACompletedTaskThatRunsAgain) {
  Story story;
  story.make(push());
  const Task task = story.add(1);
  story.end(story.start(task), 200);
  story.start(task);
  EXPECT_VIOLATES(story, 3);
}
TEST(Checker, Property3TwoAttemptsAtOnce) {
  Story story;
  story.make(push());
  Task task = story.add(1);
  story.start(task);
  task.progress.attempts = 1;
  story.start(task);
  EXPECT_VIOLATES(story, 3);
}
TEST(Checker, Property3ACompletionThatWasDurableIsLostInAPowerCut) {
  Story story;
  story.make(push());
  const Task task = story.add(1);
  story.end(story.start(task), 200);
  const Task other = story.add(2);  // its answer proves everything before it durable
  story.die(Death::power_cut, {task, other});
  EXPECT_VIOLATES(story, 3);
}
TEST(Checker, Property3ACompletionThatWasNotDurableMayBeLostInAPowerCut) {
  Story story;
  story.make(push());
  const Task task = story.add(1);
  story.end(story.start(task), 200);
  story.die(Death::power_cut, {task});
  story.start(task);
  EXPECT_GOOD(story);
}

// ---- 4, 5

TEST(Checker, Property4TwoLiveLeases) {
  Story story;
  story.make(pull());
  const Task first = story.lease(story.add(1), 7);
  story.wait(Seconds(10) - Micros(1));
  story.lease(first, 8);
  EXPECT_VIOLATES(story, 4);
}
TEST(Checker, Property5ALateAckIsAccepted) {
  Story story;
  story.make(pull());
  const Task leased = story.lease(story.add(1), 7, Seconds(1));
  story.wait(Seconds(1));
  story.ack(leased, 7);
  EXPECT_VIOLATES(story, 5);
}
TEST(Checker, Property5AnOldTokenIsAccepted) {
  Story story;
  story.make(pull());
  const Task first = story.lease(story.add(1), 7, Seconds(1));
  story.wait(Seconds(1));
  const Task second = story.lease(first, 8);
  story.ack(second, 7);
  EXPECT_VIOLATES(story, 5);
}
TEST(Checker, Property5ALiveLeaseIsRefused) {
  Story story;
  story.make(pull());
  const Task leased = story.lease(story.add(1), 7);
  story.ack(leased, 7, failed(Reason::lease_lost));
  EXPECT_VIOLATES(story, 5);
}
TEST(Checker, Property5ATokenThatIsGrantedTwice) {
  Story story;
  story.make(pull());
  const Task first = story.lease(story.add(1), 7, Seconds(1));
  story.wait(Seconds(1));
  story.lease(first, 7);
  EXPECT_VIOLATES(story, 5);
}

// ---- 6

TEST(Checker, Property6AnAckedTaskComesBackAfterAPowerCut) {
  Story story;
  story.make(pull());
  const Task leased = story.lease(story.add(1), 7);
  story.ack(leased, 7);
  story.die(Death::power_cut, {leased});
  EXPECT_VIOLATES(story, 6);
}
TEST(Checker, Property6ADeletedTaskRuns) {
  Story story;
  story.make(push());
  const Task task = story.add(1);
  story.ask(DeleteTasks{story.name, {task.id}, {}}, Story::one(Result<void>()));
  story.start(task);
  EXPECT_VIOLATES(story, 6);
}

// ---- 7

TEST(Checker, Property7AnAttemptAfterTheLast) {
  Story story;
  QueueSettings settings = push();
  settings.retry.max_attempts = 1;
  story.make(settings);
  Task task = story.add(1);
  story.end(story.start(task), 500);
  story.wait(Seconds(10));
  task.progress.attempts = 1;
  story.start(task);
  EXPECT_VIOLATES(story, 7);
}
TEST(Checker, Property7ATaskDroppedTooEarly) {
  Story story;
  QueueSettings settings = push();
  settings.retry.max_attempts = 2;
  story.make(settings);
  const Task task = story.add(1);
  story.end(story.start(task), 500);
  story.event(Ended{});
  EXPECT_VIOLATES(story, 1);
}
TEST(Checker, Property7ARetryBeforeItsBackoff) {
  Story story;
  story.make(push());
  Task task = story.add(1);
  story.end(story.start(task), 500);
  story.wait(Millis(999));
  task.progress.attempts = 1;
  task.place.eta = story.wall();
  story.start(task);
  EXPECT_VIOLATES(story, 2);
}
TEST(Checker, Property7AnAttemptThatIsNotCounted) {
  Story story;
  story.make(push());
  Task task = story.add(1);
  story.end(story.start(task), 500);
  story.wait(Seconds(1));
  task.place.eta += Seconds(1);
  story.start(task);
  EXPECT_VIOLATES(story, 7);
}
TEST(Checker, Property7ALeaseAfterTheLast) {
  Story story;
  QueueSettings settings = pull();
  settings.retry.max_attempts = 1;
  story.make(settings);
  const Task leased = story.lease(story.add(1), 7, Seconds(1));
  story.wait(Seconds(1));
  story.lease(leased, 8);
  EXPECT_VIOLATES(story, 7);
}

// ---- 8, 9

TEST(Checker, Property8FasterThanTheRate) {
  for (const Micros pause : {Millis(99), Millis(100)}) {
    Story story;
    QueueSettings settings = push();
    settings.rate = {.count = 10'000, .period = Seconds(1), .unlimited = false};
    settings.burst = 2;
    story.make(settings);
    std::vector<Task> tasks;
    for (Tag tag = 1; tag <= 3; ++tag) tasks.push_back(story.add(tag));
    story.start(tasks[0]);
    story.start(tasks[1]);
    story.wait(pause);
    story.start(tasks[2]);
    EXPECT_VIOLATES(story, pause < Millis(100) ? 8 : 0);
  }
}
TEST(Checker, Property8ABurstTwiceAfterAChange) {
  Story story;
  QueueSettings settings = push();
  settings.rate = {.count = 1'000, .period = Seconds(1), .unlimited = false};
  settings.burst = 1;
  story.make(settings);
  const Task first = story.add(1);
  const Task second = story.add(2);
  story.start(first);
  settings.burst = 2;
  story.configure(settings);
  settings.burst = 1;
  story.configure(settings);
  story.start(second);
  EXPECT_VIOLATES(story, 8);
}
TEST(Checker, Property9MoreThanItsConcurrency) {
  Story story;
  QueueSettings settings = push();
  settings.concurrency = 1;
  story.make(settings);
  const Task first = story.add(1);
  const Task second = story.add(2);
  story.start(first);
  story.start(second);
  EXPECT_VIOLATES(story, 9);
}
TEST(Checker, Property9MoreThanTheShardMayRun) {
  Story story({.attempts_max = 1});
  story.make(push());
  const Task first = story.add(1);
  const Task second = story.add(2);
  story.start(first);
  story.start(second);
  EXPECT_VIOLATES(story, 9);
}

// ---- 10

TEST(Checker, Property10TheNameOfALiveTask) {
  Story story;
  story.make(push());
  story.add(1, {.name = "n"});
  story.add(2, {.name = "n"});
  EXPECT_VIOLATES(story, 10);
}
TEST(Checker, Property10ANameWhoseTombstoneStands) {
  for (const Micros pause : {Seconds(59), Seconds(61)}) {
    Story story;
    QueueSettings settings = push();
    settings.tombstone = Seconds(60);
    story.make(settings);
    story.end(story.start(story.add(1, {.name = "n"})), 200);
    story.wait(pause);
    story.add(2, {.name = "n"});
    EXPECT_VIOLATES(story, pause < Seconds(60) ? 10 : 0);
  }
}
TEST(Checker, Property10AFreeNameIsRefused) {
  Story story;
  story.make(push());
  const NewTask given = story.new_task(1, {.name = "n"});
  story.ask(AddTasks{story.name, {given}, {}},
            Story::one(Result<Task>(fail(Reason::task_name_taken, ""))));
  EXPECT_VIOLATES(story, 10);
}

// ---- 11

TEST(Checker, Property11ALowerPriorityGoesFirst) {
  Story story;
  story.make(push());
  const Task low = story.add(1, {.priority = 1});
  story.add(2, {.priority = 2});
  story.start(low);
  EXPECT_VIOLATES(story, 11);
}
TEST(Checker, Property11TheLaterOfOnePriorityGoesFirst) {
  Story story;
  story.make(push());
  story.add(1);
  const Task second = story.add(2);
  story.start(second);
  EXPECT_VIOLATES(story, 11);
}
TEST(Checker, Property11ALowerPriorityIsLeasedFirst) {
  Story story;
  story.make(pull());
  const Task low = story.add(1, {.priority = 1});
  story.add(2, {.priority = 2});
  story.lease(low, 7);
  EXPECT_VIOLATES(story, 11);
}

// ---- 12

TEST(Checker, Property12AnAttemptWhilePaused) {
  Story story;
  story.make(push());
  const Task task = story.add(1);
  story.set_state(QueueState::paused);
  story.start(task);
  EXPECT_VIOLATES(story, 12);
}
TEST(Checker, Property12AfterAResumeItRuns) {
  Story story;
  story.make(push());
  const Task task = story.add(1);
  story.set_state(QueueState::paused);
  story.set_state(QueueState::running);
  story.start(task);
  EXPECT_GOOD(story);
}
TEST(Checker, Property12APurgedTaskRuns) {
  Story story;
  story.make(push());
  const Task task = story.add(1);
  story.ask(PurgeQueue{story.name, {}}, Result<QueueInfo>(story.info()));
  story.start(task);
  EXPECT_VIOLATES(story, 12);
}
TEST(Checker, Property12APurgedTaskIsListed) {
  Story story;
  story.make(push());
  const Task task = story.add(1);
  story.ask(PurgeQueue{story.name, {}}, Result<QueueInfo>(story.info()));
  story.ask(ListTasks{.queue = story.name},
            Result<ListTasks::Answer>(ListTasks::Answer{{{task, TaskState::ready}}, std::nullopt}));
  EXPECT_VIOLATES(story, 12);
}
TEST(Checker, Property12ATaskOfADeletedQueueRuns) {
  Story story;
  story.make(push());
  const Task task = story.add(1);
  story.ask(DeleteQueue{story.name, {}}, Result<void>());
  story.start(task);
  EXPECT_VIOLATES(story, 12);
}
TEST(Checker, Property12ADeletedQueueIsBackAfterARestart) {
  Story story;
  story.make(push());
  story.ask(DeleteQueue{story.name, {}}, Result<void>());
  story.die(Death::killed, {});
  EXPECT_VIOLATES(story, 12);
}

// ---- 13

TEST(Checker, Property13MoreTasksThanTheLimit) {
  Story story;
  QueueSettings settings = push();
  settings.max_tasks = 1;
  story.make(settings);
  story.add(1);
  story.add(2);
  EXPECT_VIOLATES(story, 13);
}
TEST(Checker, Property13MoreBytesThanTheLimit) {
  Story story;
  QueueSettings settings = push();
  settings.max_bytes = 2 * (task_overhead_bytes + 8) - 1;
  story.make(settings);
  story.add(1);
  story.add(2);
  EXPECT_VIOLATES(story, 13);
}
TEST(Checker, Property13RefusedThoughThereIsRoom) {
  Story story;
  QueueSettings settings = push();
  settings.max_tasks = 2;
  story.make(settings);
  story.add(1);
  story.refuse_add(2, Reason::queue_full_tasks);
  EXPECT_VIOLATES(story, 13);
}

// ---- 14, 15

TEST(Checker, Property14StatisticsThatAreNotARecount) {
  const QueueStats good{
      .tasks = 2, .bytes = 2 * (task_overhead_bytes + 8), .scheduled = 1, .ready = 1};
  for (int wrong = 0; wrong <= 8; ++wrong) {
    Story story;
    story.make(push());
    story.add(1);
    story.add(2, {.delay = Seconds(10)});
    QueueStats stats = good;
    std::uint64_t* const members[] = {&stats.tasks, &stats.bytes,     &stats.scheduled,
                                      &stats.ready, &stats.in_flight, &stats.executed_total};
    if (wrong > 0 && wrong <= 6) ++*members[wrong - 1];
    stats.oldest_eta = story.wall();
    if (wrong == 7) *stats.oldest_eta += Micros(1);
    if (wrong == 8) stats.oldest_eta.reset();
    story.stats(stats);
    EXPECT_VIOLATES(story, wrong == 0 ? 0 : 14);
  }
}
TEST(Checker, Property15ATaskIsReadOtherThanItWasWritten) {
  for (int wrong = 0; wrong <= 4; ++wrong) {
    Story story;
    story.make(push());
    Task task = story.add(1, {.delay = Seconds(1)});
    TaskInfo info{task, TaskState::scheduled};
    if (wrong == 1) info.task.payload = payload_of(1, 9);
    if (wrong == 2) ++info.task.place.priority;
    if (wrong == 3) info.task.place.eta += Micros(1);
    if (wrong == 4) info.state = TaskState::ready;
    story.get(task, info);
    EXPECT_VIOLATES(story, wrong == 0 ? 0 : 15);
  }
}
TEST(Checker, Property15AQueueIsReadOtherThanItWasWritten) {
  Story story;
  story.make(push());
  QueueInfo info = story.info();
  ++info.settings.burst;
  story.answer_at_once(GetQueue{story.name, {}}, Result<QueueInfo>(info));
  EXPECT_VIOLATES(story, 15);
}

// ---- 16, 17

TEST(Checker, Property16AnAnswerTwice) {
  Story story;
  const CallId call =
      story.ask(GetQueue{story.name, {}}, Result<QueueInfo>(fail(Reason::queue_missing, "")));
  EXPECT_GOOD(story);
  story.answer_to(call, Result<QueueInfo>(fail(Reason::queue_missing, "")));
  EXPECT_VIOLATES(story, 16);
}
TEST(Checker, Property16NoAnswerAtAll) {
  Story story;
  story.call(GetQueue{story.name, {}});
  story.run();
  story.event(Died{Death::stopped, mono_start});
  EXPECT_VIOLATES(story, 16);
}
TEST(Checker, Property16ARefusalWithoutAReason) {
  Story story;
  story.make(push());
  story.answer_at_once(GetQueue{story.name, {}},
                       Result<QueueInfo>(fail(Reason::queue_missing, "")));
  EXPECT_VIOLATES(story, 16);
}
TEST(Checker, Property17ADueTaskWaitsOnIdleHands) {
  Story story;
  story.make(push());
  story.add(1);
  story.run_begins();
  story.event(RunEnded{.store_busy = false, .wake_at = Mono::max()});
  EXPECT_VIOLATES(story, 17);
}
TEST(Checker, Property17NothingIsLeasedThoughThereIsATask) {
  Story story;
  story.make(pull());
  story.add(1);
  LeaseTasks command;
  command.queue = story.name;
  story.ask(std::move(command), Result<std::vector<TaskInfo>>(std::vector<TaskInfo>{}));
  EXPECT_VIOLATES(story, 17);
}
TEST(Checker, Property17TurnsWithoutAnEnd) {
  Story story;
  for (int i = 0; i < 3000; ++i) story.run();
  EXPECT_VIOLATES(story, 17);
}

// ---- 18, 19

TEST(Checker, Property18AnAcknowledgementAfterAFailedCommit) {
  Story story;
  story.make(push());
  story.event(CommitFailed{});
  story.run();
  story.add(1);
  EXPECT_VIOLATES(story, 18);
}
TEST(Checker, Property18AnAttemptAfterAFailedCommit) {
  Story story;
  story.make(push());
  const Task task = story.add(1);
  story.event(CommitFailed{});
  story.run();
  story.start(task);
  EXPECT_VIOLATES(story, 18);
}
TEST(Checker, Property18AnAttemptWhileStopping) {
  Story story;
  story.make(push());
  const Task task = story.add(1);
  story.event(Stopping{});
  story.run();
  story.start(task);
  EXPECT_VIOLATES(story, 18);
}
TEST(Checker, Property19SettingsAreLostInARestart) {
  Story story;
  QueueSettings settings = push();
  story.make(settings);
  settings.burst = 7;
  story.configure(settings);
  settings.burst = 8;
  // Not acknowledged: it may be there or not; what came before may not be back.
  story.call(ConfigureQueue{story.name, {}, {}}, settings);
  story.run();
  StoredQueue queue;
  queue.record.number = QueueNumber{1};
  queue.record.name = story.name;
  queue.record.settings = push();
  story.event(Died{Death::power_cut, mono_start});
  story.open({queue}, {});
  EXPECT_VIOLATES(story, 19);
}

// ---- 20 to 24

TEST(Checker, Property20ALeaseIsModifiedWithTheWrongEtaOrTooLate) {
  for (int wrong = 0; wrong <= 3; ++wrong) {
    Story story;
    story.make(pull());
    const Task leased = story.lease(story.add(1), 7);
    ModifyLease modify{story.name, leased.id, leased.place.eta, Seconds(20), {}};
    if (wrong == 1) modify.eta += Micros(1);
    if (wrong == 2) story.wait(Seconds(11));
    Task longer = leased;
    longer.place.eta = story.wall() + Seconds(20);
    longer.place.order = 100;
    if (wrong == 3) longer.progress.lease_token = 8;
    story.ask(std::move(modify), Result<TaskInfo>(TaskInfo{longer, TaskState::leased}));
    EXPECT_VIOLATES(story, wrong == 0 ? 0 : 20);
  }
}
TEST(Checker, Property20ALiveLeaseIsNotModified) {
  Story story;
  story.make(pull());
  const Task leased = story.lease(story.add(1), 7);
  story.ask(ModifyLease{story.name, leased.id, leased.place.eta, Seconds(20), {}},
            Result<TaskInfo>(fail(Reason::lease_lost, "")));
  EXPECT_VIOLATES(story, 20);
}

// Every second, until ten seconds after the start; skipped when half a second late.
NewTask recurring(const Story& story) {
  NewTask task = story.new_task(1, {});
  TaskOptions options;
  options.recurrence =
      "every 1000000 until " + std::to_string(to_micros(wall_start + Seconds(10))) + " skip 500000";
  task.options = std::make_shared<const TaskOptions>(options);
  return task;
}
Task add_recurring(Story& story) {
  const NewTask given = recurring(story);
  Task task = story.stored(given);
  task.bytes += static_cast<std::uint32_t>(given.options->recurrence.size());
  story.ask(AddTasks{story.name, {given}, {}}, Story::one(Result<Task>(task)));
  return task;
}
TEST(Checker, Property21ARecurringTaskRunsAtItsTimes) {
  for (int wrong = 0; wrong <= 4; ++wrong) {
    Story story;
    story.make(push());
    Task task = add_recurring(story);
    story.end(story.start(task), 200);
    task.place.eta = wall_start + Seconds(wrong == 1 ? 2 : 1);
    story.wait(wrong == 2 ? Micros(Millis(900)) : Micros(Seconds(1)));
    if (wrong == 1) story.wait(Seconds(1));   // the first was skipped, a second late
    if (wrong == 3) story.wait(Millis(700));  // too late for this one
    if (wrong == 4) task.progress.attempts = 1;
    story.start(task);
    static constexpr int properties[] = {0, 0, 2, 21, 7};
    EXPECT_VIOLATES(story, properties[wrong]);
  }
}
TEST(Checker, Property21ATimeIsLeftOut) {
  Story story;
  story.make(push());
  Task task = add_recurring(story);
  story.wait(Seconds(3));
  task.place.eta = wall_start + Micros(1);  // no time of its rule
  story.start(task);
  EXPECT_VIOLATES(story, 21);
}
TEST(Checker, Property1ARecurringTaskIsLostAfterARun) {
  Story story;
  story.make(push());
  story.end(story.start(add_recurring(story)), 200);
  story.event(Ended{});
  EXPECT_VIOLATES(story, 1);
}

TEST(Checker, Property22AProjectsLimitIsPassedOrRefusesWithoutNeed) {
  const std::uint64_t bytes = task_overhead_bytes + 8;
  for (int wrong = 0; wrong <= 3; ++wrong) {
    Story story;
    story.make(push());
    story.ask(SetProjectLimit{"p", 2 * bytes, {}}, Result<void>());
    story.add(1);
    if (wrong == 1) {
      story.refuse_add(2, Reason::project_full);
    } else {
      story.add(2);
      if (wrong == 2) story.add(3);
    }
    GetProjectUse::Answer use{2 * bytes, 2 * bytes};
    if (wrong == 3) --use.bytes;
    if (wrong != 1)
      story.answer_at_once(GetProjectUse{"p", {}}, Result<GetProjectUse::Answer>(use));
    EXPECT_VIOLATES(story, wrong == 0 ? 0 : 22);
  }
}

TEST(Checker, Property23TheNameOfADeletedQueueIsFreeTooSoon) {
  Story story;
  story.make(push());
  story.ask(DeleteQueue{story.name, {}, Seconds(60)}, Result<void>());
  story.event(Died{Death::killed, story.now().mono});
  story.wait(Seconds(1));
  story.open({}, {});
  EXPECT_VIOLATES(story, 23);
}

TEST(Checker, Property24AListByEtaLeavesOutOrIsOutOfOrder) {
  for (int wrong = 0; wrong <= 3; ++wrong) {
    Story story;
    story.make(push());
    const Task late = story.add(1, {.delay = Seconds(20)});
    const Task soon = story.add(2, {.delay = Seconds(10)});
    std::vector<TaskInfo> list{{soon, TaskState::scheduled}, {late, TaskState::scheduled}};
    if (wrong == 1) std::swap(list[0], list[1]);
    if (wrong == 2) list.pop_back();
    if (wrong == 3) list.push_back(list.back());
    story.ask(ListTasksByEta{.queue = story.name}, Result<std::vector<TaskInfo>>(list));
    EXPECT_VIOLATES(story, wrong == 0 ? 0 : 24);
  }
}

// ---- 25

TEST(Checker, Property25ATaskOutlivesItsTtl) {
  QueueSettings settings = push();
  settings.task_ttl = Seconds(20);
  for (const Micros age : {Seconds(19), Seconds(21), Seconds(26)}) {
    Story story({.answer_within = Seconds(5)});
    story.make(settings);
    const Task task = story.add(1, {.delay = Seconds(100)});
    story.wait(age);
    story.get(task, TaskInfo{task, TaskState::scheduled});
    EXPECT_VIOLATES(story, age > Seconds(25) ? 25 : 0);
  }
}
TEST(Checker, Property1ATtlEndsATaskTooSoon) {
  QueueSettings settings = push();
  settings.task_ttl = Seconds(20);
  for (const Micros age : {Seconds(19), Seconds(21)}) {
    Story story;
    story.make(settings);
    const Task task = story.add(1, {.delay = Seconds(100)});
    story.wait(age);
    story.get(task, fail(Reason::task_gone, ""));
    EXPECT_VIOLATES(story, age < Seconds(20) ? 1 : 0);
  }
}

// ---- 26

using Outcomes = std::vector<Result<GetOutcomes::Item>>;

// A push that succeeded, of a task whose outcome is kept for a minute.
Outcome succeeded(Story& story) {
  NewTask given = story.new_task(1, {});
  TaskOptions options;
  options.keep_result = Seconds(60);
  given.options = std::make_shared<const TaskOptions>(options);
  const Task task = story.stored(given);
  story.ask(AddTasks{story.name, {given}, {}}, Story::one(Result<Task>(task)));
  story.end(story.start(task), 200);
  story.run();
  return {.id = task.id,
          .name = {},
          .state = OutcomeState::succeeded,
          .created = task.created,
          .ended = story.wall(),
          .kept_until = story.wall() + Seconds(60),
          .attempts = 1,
          .last_status = 200};
}
GetOutcomes get_outcome(const Story& story, TaskId id, Micros wait = Micros(0)) {
  return {.queue = story.name, .tasks = {id}, .wait = wait, .gone = nullptr, .reply = {}};
}

TEST(Checker, Property26AnOutcomeIsNotWhatHappened) {
  for (int wrong = 0; wrong <= 5; ++wrong) {
    Story story;
    story.make(push());
    Outcome outcome = succeeded(story);
    if (wrong == 1) outcome.state = OutcomeState::cancelled;
    if (wrong == 2) outcome.kept_until += Micros(1);
    if (wrong == 3) story.wait(Seconds(60));
    if (wrong == 4) outcome.ended -= Micros(1), outcome.kept_until -= Micros(1);
    story.ask(get_outcome(story, outcome.id),
              Result<Outcomes>(Outcomes{GetOutcomes::Item{outcome, {}, {}}}));
    if (wrong == 5) {
      outcome.attempts = 2;  // it was another before
      story.ask(get_outcome(story, outcome.id),
                Result<Outcomes>(Outcomes{GetOutcomes::Item{outcome, {}, {}}}));
    }
    EXPECT_VIOLATES(story, wrong == 0 ? 0 : 26);
  }
}
TEST(Checker, Property26AnOutcomeIsLost) {
  for (const Micros age : {Seconds(59), Seconds(61)}) {
    Story story;
    story.make(push());
    const Outcome outcome = succeeded(story);
    story.wait(age);
    story.ask(get_outcome(story, outcome.id),
              Result<Outcomes>(Outcomes{fail(Reason::task_gone, "")}));
    EXPECT_VIOLATES(story, age < Seconds(60) ? 26 : 0);
  }
}
TEST(Checker, Property26AnOutcomeWasToldThatAPowerCutTakesBack) {
  Story story;
  story.make(push());
  const Outcome outcome = succeeded(story);
  story.ask(get_outcome(story, outcome.id),
            Result<Outcomes>(Outcomes{GetOutcomes::Item{outcome, {}, {}}}));
  StoredQueue queue;
  queue.record.number = QueueNumber{1};
  queue.record.name = story.name;
  queue.record.settings = push();
  story.event(Died{Death::power_cut, story.now().mono});
  story.open({queue}, {});
  EXPECT_VIOLATES(story, 26);
}
TEST(Checker, Property26WhoWaitsIsAnsweredTooSoon) {
  for (const bool soon : {false, true}) {
    Story story;
    story.make(push());
    NewTask given = story.new_task(1, {.delay = Seconds(100)});
    TaskOptions options;
    options.keep_result = Seconds(60);
    given.options = std::make_shared<const TaskOptions>(options);
    const Task task = story.stored(given);
    story.ask(AddTasks{story.name, {given}, {}}, Story::one(Result<Task>(task)));
    const CallId call = story.call(get_outcome(story, task.id, Seconds(10)));
    story.run();
    story.wait(Seconds(soon ? 9 : 10));
    GetOutcomes::Item item;
    item.pending = TaskInfo{task, TaskState::scheduled};
    story.answer_to(call, Result<Outcomes>(Outcomes{item}));
    EXPECT_VIOLATES(story, soon ? 26 : 0);
  }
}
TEST(Checker, Property26WhatLivesIsCutOff) {
  Story story;
  story.make(push());
  story.end(story.start(story.add(1)), status_cancelled);
  story.run();
  EXPECT_VIOLATES(story, 26);
}

// A task whose only attempt failed, as it is told when it is dead.
Task dead(Story& story) {
  QueueSettings settings = push();
  settings.retry.max_attempts = 1;
  story.make(settings);
  Task task = story.add(1);
  story.end(story.start(task), 500);
  story.run();
  task.progress.attempts = 1;
  task.progress.death = DeathReason::attempts;
  task.progress.own_priority = task.place.priority;
  task.place = {dead_lane, story.wall(), 100};
  return task;
}
void list_dead(Story& story, std::vector<Task> tasks) {
  story.wait(Seconds(1));
  story.ask(ListDead{story.name, {}, {dead_lane, Wall::min(), 0}, 100, {}},
            Result<ListDead::Answer>(ListDead::Answer{std::move(tasks), std::nullopt}));
}
TEST(Checker, Property27ListsTellTheDeadAsTheyWere) {
  for (const int wrong : {0, 1, 2, 3, 4}) {
    Story story({.settle_within = Millis(10)});
    Task task = dead(story);
    if (wrong == 1) task.progress.death = DeathReason::poison;
    if (wrong == 2) task.progress.attempts = 2;
    if (wrong == 3) task.place.eta -= Seconds(1);
    if (wrong == 4) task.progress.own_priority = 9;
    list_dead(story, {task});
    EXPECT_VIOLATES(story, wrong == 0 ? 0 : 27);
  }
}
TEST(Checker, Property27AListLeavesOutADeadTask) {
  Story story({.settle_within = Millis(10)});
  dead(story);
  list_dead(story, {});
  EXPECT_VIOLATES(story, 27);
}
TEST(Checker, Property27WhatLivesIsToldAsDead) {
  Story story({.settle_within = Millis(10)});
  Task task = dead(story);
  const Task other = story.add(2);
  task.id = other.id;
  task.payload = other.payload;
  list_dead(story, {task});
  EXPECT_VIOLATES(story, 27);
}
TEST(Checker, Property27WhatWasDeletedIsDeadNoMore) {
  Story story({.settle_within = Millis(10)});
  const Task task = dead(story);
  story.wait(Seconds(1));
  story.ask(DeleteDead{story.name, {task.id}, {}}, Story::one(Result<void>()));
  list_dead(story, {task});
  EXPECT_VIOLATES(story, 27);
}

// ---- 28

// As it is told when it lives again.
Task alive_again(Story& story, const Task& dead) {
  Task task = dead;
  task.place = {dead.progress.own_priority, story.wall(), 200};
  task.progress = Progress{.death = dead.progress.death};
  return task;
}
void retry(Story& story, const Task& dead, Result<TaskInfo> answer) {
  story.ask(RetryDead{story.name, {dead.id}, {}}, Story::one(std::move(answer)));
}
TEST(Checker, Property28WhatWasRetriedLivesAnew) {
  for (const int wrong : {0, 1, 2, 3, 4, 5}) {
    Story story({.settle_within = Millis(10)});
    const Task dead_task = dead(story);
    story.wait(Seconds(1));
    Task task = alive_again(story, dead_task);
    TaskState state = TaskState::ready;
    if (wrong == 1) task.progress.attempts = 1;
    if (wrong == 2) task.place.eta += Seconds(1);
    if (wrong == 3) task.place.priority = 9;
    if (wrong == 4) task.progress.death = DeathReason::none;
    if (wrong == 5) state = TaskState::scheduled;
    retry(story, dead_task, TaskInfo{task, state});
    if (wrong == 0) story.end(story.start(task), 200);
    EXPECT_VIOLATES(story, wrong == 0 ? 0 : 28);
  }
}
TEST(Checker, Property28WhatLivesIsRetried) {
  Story story;
  story.make(push());
  const Task task = story.add(1);
  retry(story, task, TaskInfo{task, TaskState::ready});
  EXPECT_VIOLATES(story, 28);
}
TEST(Checker, Property28ARetryIsRefusedWithoutAReason) {
  for (const Reason reason : {Reason::queue_full_tasks, Reason::queue_full_bytes,
                              Reason::project_full, Reason::task_name_taken, Reason::task_gone}) {
    Story story({.settle_within = Millis(10)});
    const Task task = dead(story);
    story.wait(Seconds(1));
    retry(story, task, fail(reason, ""));
    EXPECT_VIOLATES(story, 28);
  }
}
TEST(Checker, Property1WhatWasRetriedIsGoneAfterARestart) {
  Story story({.settle_within = Millis(10)});
  const Task task = dead(story);
  story.wait(Seconds(1));
  retry(story, task, TaskInfo{alive_again(story, task), TaskState::ready});
  story.die(Death::power_cut, {});
  EXPECT_VIOLATES(story, 1);
}

// ---- 29

TEST(Checker, Property29TheDeathsOfWorkersAreCounted) {
  for (const bool counted : {true, false}) {
    Story story;
    story.make(pull());
    Task first = story.lease(story.add(1), 7, Seconds(1), "w");
    story.wait(Seconds(2));
    if (counted) first.progress.deaths = 1;
    story.lease(first, 8, Seconds(1), "w");
    EXPECT_VIOLATES(story, counted ? 0 : 29);
  }
}
TEST(Checker, Property29TheLeaseOfNobodyIsNoDeath) {
  Story story;
  story.make(pull());
  Task first = story.lease(story.add(1), 7, Seconds(1));
  story.wait(Seconds(2));
  first.progress.deaths = 1;
  story.lease(first, 8, Seconds(1));
  EXPECT_VIOLATES(story, 29);
}
TEST(Checker, Property29PoisonIsLeasedAgain) {
  Story story;
  QueueSettings settings = pull();
  settings.poison_after = 1;
  story.make(settings);
  Task first = story.lease(story.add(1), 7, Seconds(1), "w");
  story.wait(Seconds(2));
  first.progress.deaths = 1;
  story.lease(first, 8, Seconds(1), "w");
  EXPECT_VIOLATES(story, 29);
}

// ---- 30

TEST(Checker, Property30EachEndIsToldOnce) {
  for (const int wrong : {0, 1, 2, 3, 4, 5}) {
    Story story;
    story.make(push());
    const Task task = story.add(1, {.callback_url = "http://caller/"});
    if (wrong != 1) story.end(story.start(task), 200);
    ToldEnd told{"q", task.id, story.wall(), OutcomeState::succeeded, DeathReason::none};
    if (wrong == 2) told.ended -= Seconds(1);
    if (wrong == 3) told.state = OutcomeState::failed;
    if (wrong != 4) story.end(story.start_stranger(100, share(told.words())), 200);
    if (wrong == 5) story.start_stranger(101, share(told.words()));
    story.event(Ended{});
    EXPECT_VIOLATES(story, wrong == 0 ? 0 : 30);
  }
}
TEST(Checker, Property30NobodyAskedToBeCalledBack) {
  Story story;
  story.make(push());
  const Task task = story.add(1);
  story.end(story.start(task), 200);
  const ToldEnd told{"q", task.id, story.wall(), OutcomeState::succeeded, DeathReason::none};
  story.start_stranger(100, share(told.words()));
  EXPECT_VIOLATES(story, 30);
}

// ---- 31

TEST(Checker, Property31OnlyTheDeadGoOnAndOnlyWhereTheyAreSentTo) {
  Story story;
  QueueSettings settings = push();
  settings.dead.queue = "graves";
  story.make(settings);
  const Task task = story.add(1);
  story.start_stranger(100, task.payload, "forwarded-1-5");
  EXPECT_VIOLATES(story, 31);
}
TEST(Checker, Property31TheDeadGoOn) {
  Story story;
  QueueSettings settings = push();
  settings.retry.max_attempts = 1;
  settings.dead.queue = "graves";
  story.make(settings);
  const QueueInfo graves{{"p", "l", "graves"}, push(), QueueState::running, story.wall(), {}};
  story.ask(ConfigureQueue{graves.name, {}, {}},
            Result<ConfigureQueue::Answer>(ConfigureQueue::Answer{graves, true}), push());
  story.end(story.start(story.add(1)), 500);
  story.run();
  story.event(Ended{});
  EXPECT_VIOLATES(story, 31);
}

}  // namespace
}  // namespace deferd::sim
