// The closed loop: every caller is a connection that says a round, waits for its answers and at
// once says the next. One thread, one epoll; it should cost less than any server under test, so it
// does nothing between an answer and the next request but count.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/client/histogram.h"
#include "bench/client/meter.h"
#include "bench/client/script.h"

namespace deferd::bench {

struct LoadOptions {
  std::uint16_t port = 0;  // on 127.0.0.1
  ScriptOptions script;
  std::uint32_t producers = 0;
  std::uint32_t consumers = 0;

  // Either a stretch of time, after a warm-up that is not counted ...
  double warmup_seconds = 1;
  double seconds = 5;
  // ... or, when not 0, exactly so many tasks added (a multiple of the batch), with no warm-up.
  std::uint64_t total = 0;

  // With consumers: producers rest while so many tasks wait, so that a cycle is measured at a
  // steady backlog and not on a growing one. `preloaded` tasks wait already.
  std::uint64_t backlog_max = 10'000;
  std::uint64_t preloaded = 0;

  // Every caller rests so long between two rounds: the latency of an idle server.
  std::chrono::milliseconds pause{0};

  std::vector<int> server_pids;
};

struct LoadReport {
  std::uint64_t tasks = 0;  // finished when there are consumers, else added
  std::uint64_t added = 0;
  std::uint64_t errors = 0;  // rounds
  std::string first_error;
  Histogram rounds;  // of consumers when there are some, else of producers
  Meter::Cost cost;
};

// Fails with exit code 1 and a line on stderr when a connection cannot be made or is lost, or when
// errors_max rounds have failed: a benchmark of a server that is not there has no result.
constexpr std::uint64_t errors_max = 1'000;
LoadReport run_load(const LoadOptions& options);

}  // namespace deferd::bench
