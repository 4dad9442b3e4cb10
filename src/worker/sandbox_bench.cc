// What a sandbox costs: a handler's tasks in sandboxes, beside the same program by fork and exec
// alone, turn by turn in one run, so that whatever else the machine does is in all rows.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "worker/sandbox.h"

namespace deferd {
namespace {

using Clock = std::chrono::steady_clock;
using Span = std::chrono::duration<double, std::micro>;

// The handler of all rows; without a worker it ends at once.
const std::string program = default_part("warm_sample");

pid_t start_bare() {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl(program.c_str(), program.c_str(), nullptr);
    ::_exit(127);
  }
  return child;
}

void must(bool done, const std::string& what = "") {
  if (done) return;
  std::fprintf(stderr, "a task did not run: %s\n", what.c_str());
  std::exit(1);
}

class Handler {
 public:
  Handler(bool warm, std::uint32_t concurrency) : warm_(warm) {
    SandboxOptions options;
    options.command = {program};
    options.warm = warm;
    options.concurrency = concurrency;
    options.show = {default_part("libdeferd_warm.so")};
    auto made = Sandboxes::make(io_, std::move(options));
    if (!made) {
      std::fprintf(stderr, "%s\n", made.error().message.c_str());
      std::exit(1);
    }
    sandboxes_ = std::move(*made);
    while (!sandboxes_->ready()) io_.run_one();
  }

  void start() {
    ++running_;
    SandboxJob job;
    if (warm_) job.input = "x";  // which comes back
    sandboxes_->start(std::move(job), [this](const SandboxExit& exit) {
      must(exit.cause == ExitCause::exited && exit.code == 0 && exit.output == (warm_ ? "x" : ""),
           std::string(to_string(exit.cause)) + " " + exit.detail + exit.log);
      --running_;
    });
  }
  void wait_for(int most) {
    while (running_ > most) io_.run_one();
  }
  // The next sandbox is made, as it is for tasks that do not come one right after the other.
  void rest() { io_.run_for(std::chrono::milliseconds(4)); }

 private:
  const bool warm_;
  boost::asio::io_context io_;
  std::unique_ptr<Sandboxes> sandboxes_;
  int running_ = 0;
};

double time_of(const std::function<void()>& work) {
  const auto from = Clock::now();
  work();
  return Span(Clock::now() - from).count();
}

// How long one takes from its start until all of its end is known, with nothing else to do.
void alone(int rounds) {
  Handler cold(false, 4);
  Handler warm(true, 4);
  std::vector<double> times[3];
  for (int round = 0; round < rounds; ++round) {
    cold.rest();
    warm.rest();
    times[0].push_back(time_of([] {
      int status = 0;
      ::waitpid(start_bare(), &status, 0);
      must(status == 0);
    }));
    std::size_t row = 1;
    for (Handler* handler : {&cold, &warm}) {
      cold.rest();
      warm.rest();
      times[row++].push_back(time_of([handler] {
        handler->start();
        handler->wait_for(0);
      }));
    }
  }
  std::printf("one at a time, %d of each, us     median      mean       p90   median above bare\n",
              rounds);
  const char* const names[] = {"bare fork and exec", "program in a sandbox", "warm handler"};
  double bare = 0;
  for (std::size_t row = 0; row < 3; ++row) {
    auto& all = times[row];
    std::ranges::sort(all);
    double sum = 0;
    for (const double one : all) sum += one;
    const double median = all[all.size() / 2];
    if (row == 0) bare = median;
    std::printf("  %-28s %9.0f %9.0f %9.0f %9.0f\n", names[row], median,
                sum / static_cast<double>(all.size()), all[all.size() * 9 / 10], median - bare);
  }
}

// What one costs when all processors are at work: eight at once.
void busy(int count) {
  constexpr int at_once = 8;
  std::printf("eight at once, %d of each, us a task\n", count);
  const auto print = [count](const char* name, double time) {
    std::printf("  %-28s %9.0f\n", name, time / count);
  };
  print("bare fork and exec", time_of([count] {
          int running = 0;
          for (int i = 0; i < count; ++i) {
            if (running == at_once) ::wait(nullptr), --running;
            start_bare();
            ++running;
          }
          while (running-- > 0) ::wait(nullptr);
        }));
  for (const bool warm : {false, true}) {
    Handler handler(warm, at_once);
    print(warm ? "warm handler" : "program in a sandbox", time_of([&handler, count] {
            for (int i = 0; i < count; ++i) {
              handler.wait_for(at_once - 1);
              handler.start();
            }
            handler.wait_for(0);
          }));
  }
}

}  // namespace
}  // namespace deferd

int main() {
  deferd::alone(500);
  deferd::busy(3000);
}
