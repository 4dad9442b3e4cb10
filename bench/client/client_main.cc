// deferd_bench_client: load on one server from one thread, and what came of it as one line of JSON.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <string>

#include "bench/client/loop.h"

namespace deferd::bench {
namespace {

// Only the characters that a server's answer may hold need care.
std::string json_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e ? ' ' : c;
  }
  return out + '"';
}

void print(const LoadReport& report) {
  std::printf(
      "{\"tasks\":%llu,\"added\":%llu,\"seconds\":%.6f,\"per_second\":%.1f,\"p50_ms\":%.4f,\"p99_"
      "ms\":%.4f,"
      "\"p999_ms\":%.4f,\"client_cpu\":%.3f,\"server_cpu\":%.3f,\"flushes\":%llu,\"errors\":%llu,"
      "\"first_error\":%s}\n",
      static_cast<unsigned long long>(report.tasks), static_cast<unsigned long long>(report.added),
      report.cost.seconds, static_cast<double>(report.tasks) / report.cost.seconds,
      report.rounds.percentile_ms(0.5), report.rounds.percentile_ms(0.99),
      report.rounds.percentile_ms(0.999), report.cost.client_cpu, report.cost.server_cpu,
      static_cast<unsigned long long>(report.cost.flushes),
      static_cast<unsigned long long>(report.errors), json_text(report.first_error).c_str());
}

int run(int argc, char** argv) {
  const std::map<std::string, Target> targets{{"http", Target::http},
                                              {"deferd", Target::deferd},
                                              {"appengine", Target::appengine},
                                              {"grpc-create", Target::grpc_create},
                                              {"rest-create", Target::rest_create},
                                              {"redis-list", Target::redis_list},
                                              {"redis-stream", Target::redis_stream},
                                              {"beanstalkd", Target::beanstalkd}};
  LoadOptions options;
  std::int64_t pause_ms = 0;
  CLI::App app("Closed-loop load on one server on 127.0.0.1, from one thread.");
  app.add_option("--target", options.script.target, "which protocol to speak")
      ->required()
      ->transform(CLI::CheckedTransformer(targets));
  app.add_option("--port", options.port)->required();
  app.add_option("--producers", options.producers, "connections that add");
  app.add_option("--consumers", options.consumers, "connections that take and finish");
  app.add_option("--batch", options.script.batch, "tasks a round")->check(CLI::Range(1, 1000));
  app.add_option("--payload", options.script.payload_bytes, "bytes a task")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--queue", options.script.queue,
                 "queue, list or stream; of Cloud Tasks its full name");
  app.add_option("--path", options.script.path, "http: where to post");
  app.add_option("--url", options.script.url, "of the tasks, at deferd's doors");
  app.add_option("--delay", options.script.delay, "deferd: delay of the tasks, as \"1h\"");
  app.add_option("--warmup", options.warmup_seconds, "seconds that are not counted");
  app.add_option("--seconds", options.seconds, "seconds that are");
  app.add_option("--total", options.total, "instead: add exactly so many tasks");
  app.add_option("--backlog", options.backlog_max,
                 "with consumers: producers rest while so many tasks wait");
  app.add_option("--preloaded", options.preloaded, "tasks that wait already");
  app.add_option("--pause-ms", pause_ms, "each caller rests so long between rounds");
  app.add_option("--server-pid", options.server_pids, "whose CPU to count");
  try {
    app.parse(argc, argv);
    if (options.producers + options.consumers == 0) {
      throw CLI::ValidationError("--producers, --consumers", "both are 0");
    }
    const Target target = options.script.target;
    const bool producers_only = target == Target::http || target == Target::appengine ||
                                target == Target::grpc_create || target == Target::rest_create;
    if (producers_only && options.consumers > 0) {
      throw CLI::ValidationError("--consumers", "this target has none");
    }
    if ((target == Target::grpc_create || target == Target::rest_create) &&
        options.script.batch > 1) {
      throw CLI::ValidationError("--batch", "CreateTask makes one");
    }
    if (options.total % options.script.batch != 0) {
      throw CLI::ValidationError("--total", "not a multiple of --batch");
    }
    if (options.total > 0 && options.producers == 0) {
      throw CLI::ValidationError("--total", "needs producers");
    }
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  options.pause = std::chrono::milliseconds(pause_ms);
  print(run_load(options));
  return 0;
}

}  // namespace
}  // namespace deferd::bench

int main(int argc, char** argv) { return deferd::bench::run(argc, argv); }
