// What a sandbox costs: a program run in one, beside the same program by fork and exec alone.
#include <benchmark/benchmark.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>

#include "worker/sandbox.h"

namespace deferd {
namespace {

void bare(benchmark::State& state) {
  for (auto _ : state) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl("/bin/true", "true", nullptr);
      ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (status != 0) state.SkipWithError("it did not run");
  }
}
BENCHMARK(bare)->UseRealTime()->Unit(benchmark::kMicrosecond);

void sandboxed(benchmark::State& state) {
  boost::asio::io_context io;
  auto sandboxes = Sandboxes::make(io, {});
  if (!sandboxes) return state.SkipWithError(sandboxes.error().message.c_str());
  for (auto _ : state) {
    (*sandboxes)->start({.command = {"/bin/true"}}, [&state](const SandboxExit& exit) {
      if (exit.code != 0) state.SkipWithError("it did not run");
    });
    io.restart();
    io.run();
  }
}
BENCHMARK(sandboxed)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace deferd

BENCHMARK_MAIN();
