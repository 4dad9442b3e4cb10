// What a sandbox costs: a program run in one, beside the same program by fork and exec alone.
#include <benchmark/benchmark.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>

#include "worker/sandbox.h"
#include "worker/warm_sandboxes.h"

namespace deferd {
namespace {

// The handler of all rows; without a worker it ends at once.
const std::string program = default_part("warm_sample");

void bare(benchmark::State& state) {
  for (auto _ : state) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl(program.c_str(), program.c_str(), nullptr);
      ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (status != 0) state.SkipWithError("it did not run");
  }
}
BENCHMARK(bare)->Iterations(1000)->UseRealTime()->Unit(benchmark::kMicrosecond);

void sandboxed(benchmark::State& state) {
  boost::asio::io_context io;
  auto sandboxes = Sandboxes::make(io, {.show = {program, default_part("libdeferd_warm.so")}});
  if (!sandboxes) return state.SkipWithError(sandboxes.error().message.c_str());
  for (auto _ : state) {
    (*sandboxes)->start({.command = {program}}, [&state](const SandboxExit& exit) {
      if (exit.code != 0) state.SkipWithError("it did not run");
    });
    io.restart();
    io.run();
  }
}
BENCHMARK(sandboxed)->UseRealTime()->Unit(benchmark::kMicrosecond);

// The sample handler, loaded; its task answers with the payload.
std::unique_ptr<Sandboxes> make_warm(boost::asio::io_context& io, std::uint32_t concurrency) {
  WarmOptions options;
  options.command = {default_part("warm_sample")};
  options.concurrency = concurrency;
  options.keeper = default_part("deferd-keeper");
  options.library = default_part("libdeferd_warm.so");
  auto made = make_warm_sandboxes(io, {.show = {options.command[0]}}, options);
  return made ? std::move(*made) : nullptr;
}

// One at a time: how long a task takes when its sandbox is ready.
void warm(benchmark::State& state) {
  boost::asio::io_context io;
  const auto sandboxes = make_warm(io, 4);
  if (!sandboxes) return state.SkipWithError("no sandbox");
  for (auto _ : state) {
    bool over = false;
    SandboxJob job;
    job.input = "x";
    sandboxes->start(std::move(job), [&](const SandboxExit& exit) {
      if (exit.output != "x") state.SkipWithError("it did not run");
      over = true;
    });
    while (!over) io.run_one();
  }
}
BENCHMARK(warm)->UseRealTime()->Unit(benchmark::kMicrosecond);

// Eight at once: what a task costs when all processors are at work.
void warm_busy(benchmark::State& state) {
  constexpr int at_once = 8;
  boost::asio::io_context io;
  const auto sandboxes = make_warm(io, at_once);
  if (!sandboxes) return state.SkipWithError("no sandbox");
  int running = 0;
  for (auto _ : state) {
    while (running == at_once) io.run_one();
    ++running;
    SandboxJob job;
    job.input = "x";
    sandboxes->start(std::move(job), [&](const SandboxExit& exit) {
      if (exit.output != "x") state.SkipWithError("it did not run");
      --running;
    });
  }
  while (running > 0) io.run_one();
}
BENCHMARK(warm_busy)->Iterations(3000)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace deferd

BENCHMARK_MAIN();
