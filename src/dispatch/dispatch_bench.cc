// How many pushes a second the dispatcher carries out alone: N attempts outstanding, each answered
// one is replaced at once, as an engine with a long backlog would. No store, no engine; the target
// decides what it is compared with.
//
//   dispatch_bench http://127.0.0.1:8080/ [seconds=3] [body_bytes=300]
//
// prints a line for 64 and for 256 outstanding. `wrk -t1 -c64` against the same target is the
// yardstick.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "dispatch/push_dispatcher.h"
#include "model/push_request.h"

namespace deferd {
namespace {

class Load {
 public:
  Load(Dispatcher& dispatcher, Attempt attempt) : dispatcher_(dispatcher), attempt_(attempt) {}

  void run(int outstanding, int seconds) {
    running_ = true;
    for (int i = 0; i < outstanding; ++i) next();
    const auto began = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    const std::uint64_t good = good_;
    const std::uint64_t bad = bad_;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    running_ = false;
    while (open_ > 0) std::this_thread::yield();
    std::printf("%4d outstanding: %.0f pushes/s, %llu failed\n", outstanding,
                static_cast<double>(good) / took.count(), static_cast<unsigned long long>(bad));
    good_ = 0;
    bad_ = 0;
  }

 private:
  void next() {
    ++open_;
    dispatcher_.start(attempt_, [this](AttemptResult result) {
      ++(result.status == 200 ? good_ : bad_);
      if (running_) next();
      --open_;
    });
  }

  Dispatcher& dispatcher_;
  const Attempt attempt_;
  std::atomic<bool> running_{false};
  std::atomic<int> open_{0};
  std::atomic<std::uint64_t> good_{0};
  std::atomic<std::uint64_t> bad_{0};
};

int run(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: dispatch_bench URL [seconds=3] [body_bytes=300]\n");
    return 2;
  }
  PushRequest request;
  request.url = argv[1];
  request.headers = {{"Content-Type", "application/json"}};
  request.body.assign(argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 300, 'x');
  Attempt attempt;
  attempt.queue = std::make_shared<const QueueName>(QueueName{"project", "here", "bench"});
  attempt.task.id = TaskId{1'795'000'000'000'001};
  attempt.task.payload = share(encode(request));
  attempt.timeout = std::chrono::seconds(30);

  Result<std::unique_ptr<PushDispatcher>> dispatcher = make_push_dispatcher({});
  if (!dispatcher) {
    std::fprintf(stderr, "%s\n", dispatcher.error().message.c_str());
    return 1;
  }
  Load load(**dispatcher, attempt);
  for (const int outstanding : {64, 256}) {
    load.run(outstanding, argc > 2 ? std::atoi(argv[2]) : 3);
  }
  return 0;
}

}  // namespace
}  // namespace deferd

int main(int argc, char** argv) { return deferd::run(argc, argv); }
