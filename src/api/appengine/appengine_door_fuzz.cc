// Any bytes as calls to the App Engine door, one after the other, with the real engine over a
// memory store behind it. None may crash or hang; every call is answered once, with what an SDK can
// read: an envelope with exactly one of answer and errors, an answer that is the method's and
// whole, a code from the list, a detail that is text.
//
// The input: [method][length, 2 bytes][bytes]... Method 0 takes the bytes as a whole body, the
// others as the request of one method within a proper envelope.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/appengine/appengine.h"
#include "api/appengine/envelope.h"
#include "api/http/text.h"
#include "engine/project_use.h"
#include "runtime/runtime.h"
#include "runtime/shard_loop.h"
#include "store/memory/store.h"

namespace {

using namespace deferd;
using namespace deferd::appengine;

void require(bool condition) {
  if (!condition) std::abort();
}

class NoDispatcher final : public Dispatcher {
 public:
  void start(Attempt attempt, Callback<void(AttemptResult)> done) override {
    running_.emplace_back(std::move(attempt), std::move(done));
  }
  // Each ends in its own way, for the codes to vary.
  void finish_all() {
    for (auto& [attempt, done] : std::exchange(running_, {})) {
      done(AttemptResult{static_cast<std::int16_t>(200 + attempt.task.id.value % 400), "", {}});
    }
  }

 private:
  std::vector<std::pair<Attempt, Callback<void(AttemptResult)>>> running_;
};

// One shard, stepped when it is flushed.
class InlineRuntime final : public Runtime {
 public:
  InlineRuntime(const Clock& clock, Store& store, Dispatcher& dispatcher) : clock_(clock) {
    ShardOptions options;
    options.projects = std::make_shared<ProjectUse>();
    auto next = std::make_shared<std::uint64_t>(1);
    loop_ = std::make_shared<ShardLoop>(
        options, [next] { return QueueNumber{(*next)++}; }, store, dispatcher, clock.now(), [] {},
        [this](Command command) { loop_->post(std::move(command), 0); });
    loop_->load({}, clock.now());
  }
  void enqueue(Command command) override { enqueue_until(std::move(command), Mono::max()); }
  void enqueue_until(Command command, Mono good_until) override {
    loop_->post(std::move(command), 1, true, good_until);
  }
  void flush() override { run(); }
  void run() {
    do {
      loop_->run(clock_.now());
    } while (!loop_->empty());
  }
  void stop(Mono, Callback<void()> done) override { std::move(done)(); }
  RuntimeStats stats() const override { return {}; }

 private:
  const Clock& clock_;
  std::shared_ptr<ShardLoop> loop_;
};

class InlineThread final : public HttpThread {
 public:
  void post(Callback<void()> work) override { work_.push_back(std::move(work)); }
  bool is_current() const override { return true; }
  void after_round(const void*, Callback<void()> work) override {
    work_.push_back(std::move(work));
  }
  void answer(HttpExchange, HttpResponse response) override {
    require(!answer_);
    answer_ = std::move(response);
  }
  void answer_by(HttpExchange, Millis, Callback<HttpResponse()> late) override {
    require(late().status == 200);
  }
  void when_gone(HttpExchange, Callback<void()>) override {}

  HttpResponse run_until_answered() {
    for (int rounds = 0; !answer_; ++rounds) {
      require(rounds < 1'000'000 && !work_.empty());  // nobody would ever answer
      auto work = std::move(work_.front());
      work_.pop_front();
      std::move(work)();
    }
    return *std::exchange(answer_, std::nullopt);
  }

 private:
  std::deque<Callback<void()>> work_;
  std::optional<HttpResponse> answer_;
};

template <class T>
void check_message(std::string_view bytes) {
  T message;
  require(message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
}

struct KnownMethod {
  std::string_view name;
  void (*check)(std::string_view response);
};
constexpr KnownMethod known_methods[] = {
    {"BulkAdd", check_message<wire::TaskQueueBulkAddResponse>},
    {"Add", check_message<wire::TaskQueueAddResponse>},
    {"Delete", check_message<wire::TaskQueueDeleteResponse>},
    {"QueryAndOwnTasks", check_message<wire::TaskQueueQueryAndOwnTasksResponse>},
    {"ModifyTaskLease", check_message<wire::TaskQueueModifyTaskLeaseResponse>},
    {"FetchQueueStats", check_message<wire::TaskQueueFetchQueueStatsResponse>},
    {"PurgeQueue", check_message<wire::TaskQueuePurgeQueueResponse>},
    {"FetchQueues", check_message<wire::TaskQueueFetchQueuesResponse>},
    {"QueryTasks", check_message<wire::TaskQueueQueryTasksResponse>},
    {"FetchTask", check_message<wire::TaskQueueFetchTaskResponse>},
    {"ForceRun", check_message<wire::TaskQueueForceRunResponse>},
    {"UpdateQueue", check_message<wire::TaskQueueUpdateQueueResponse>},
    {"PauseQueue", check_message<wire::TaskQueuePauseQueueResponse>},
    {"DeleteQueue", check_message<wire::TaskQueueDeleteQueueResponse>},
    {"DeleteGroup", check_message<wire::TaskQueueDeleteGroupResponse>},
    {"UpdateStorageLimit", check_message<wire::TaskQueueUpdateStorageLimitResponse>},
};

void check_answer(const HttpResponse& response, const KnownMethod* method) {
  if (response.status == 400) return require(method == nullptr);
  require(response.status == 200);
  wire::Response envelope;
  require(envelope.ParseFromString(response.body));
  require(int{envelope.has_response()} + int{envelope.has_application_error()} +
              int{envelope.has_rpc_error()} ==
          1);
  require(!envelope.has_java_exception());
  if (envelope.has_application_error()) {
    const int code = envelope.application_error().code();
    require((code >= 1 && code <= 29) || (code >= 10001 && code <= 10018));
    require(is_utf8(envelope.application_error().detail()));
  }
  if (envelope.has_rpc_error()) {
    require(envelope.rpc_error().code() >= 0 && envelope.rpc_error().code() <= 12);
    require(is_utf8(envelope.rpc_error().detail()));
  }
  if (envelope.has_response() && method != nullptr) method->check(envelope.response());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ManualClock clock;
  MemoryStore store;
  NoDispatcher dispatcher;
  InlineRuntime runtime(clock, store, dispatcher);
  AppEngineDoorOptions options;
  options.auto_create_queues = size % 2 == 0;
  options.strict = size % 3 == 0;
  options.transactional_tasks = AppEngineDoorOptions::Transactional::immediate;
  const auto door = make_appengine_door(options, runtime, clock);
  const auto thread = std::make_shared<InlineThread>();

  std::string_view input(reinterpret_cast<const char*>(data), size);
  for (int calls = 0; calls < 30 && input.size() >= 3; ++calls) {
    const std::size_t method_count = std::size(known_methods);
    const auto kind = static_cast<unsigned char>(input[0]) % (method_count + 1);
    const std::size_t length = std::min<std::size_t>(
        static_cast<unsigned char>(input[1]) * 256U + static_cast<unsigned char>(input[2]),
        input.size() - 3);
    const std::string_view bytes = input.substr(3, length);
    input.remove_prefix(3 + length);
    const KnownMethod* method = kind == 0 ? nullptr : &known_methods[kind - 1];
    std::string body(bytes);
    if (method != nullptr) {
      wire::Request envelope;
      envelope.set_service_name("taskqueue");
      envelope.set_method(std::string(method->name));
      envelope.set_request(std::string(bytes));
      body = envelope.SerializeAsString();
    }
    HttpRequest request;
    request.method = "POST";
    request.path = "/rpc_http";
    request.body = body;
    door->handle(request, HttpReply(thread, {}));
    check_answer(thread->run_until_answered(), method);
    clock.advance(Seconds(1));
    if (calls % 4 == 3) dispatcher.finish_all();
  }
  runtime.run();
  return 0;
}
