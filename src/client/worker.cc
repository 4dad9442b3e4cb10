#include "deferd/worker.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <utility>

#include "client/local_worker.h"
#include "client/values.h"
#include "client/warm_worker.h"

namespace deferd::inline v1 {
namespace {

constexpr int exit_usage = 2;

const char* const about =
    "A worker of deferd's task queues. It runs in two ways:\n\n"
    "  deferd-worker --queue QUEUE --warm -- PROGRAM    each task in a sandbox of its own\n"
    "  PROGRAM --unsandboxed --queue QUEUE              tasks in threads, for development\n\n"
    "The API key, if the server wants one, is $DEFERD_KEY.";

// Of --lease, which CLI11 shows as text.
std::string check_duration(std::string& text) {
  const auto parsed = detail::read_duration(text);
  return parsed && *parsed >= std::chrono::seconds(1)
             ? ""
             : "give a duration of at least a second, like 1m; it is " + text;
}

std::string run_each(const Worker::Run& run, const detail::Payload& payload, Context& context) {
  std::string results = "[";
  for (const boost::json::value& arguments : *payload.each) {
    if (!arguments.is_array())
      throw NeverAgain(payload.task + ": each is to have lists of arguments");
    if (results.size() > 1) results += ',';
    results += run({.task = payload.task, .args = arguments.get_array()}, context);
  }
  return results + "]";
}

}  // namespace

void Worker::add(std::string name, Run run) {
  const auto [place, is_new] = tasks_.emplace(std::move(name), std::move(run));
  if (!is_new) throw std::invalid_argument("there are two task classes named " + place->first);
}

std::string Worker::run_payload(std::string_view text, Context& context) const {
  return run_payload(detail::read_payload(text), context);
}

std::string Worker::run_payload(const detail::Payload& payload, Context& context) const {
  try {
    const Run& run = find(payload.task);
    return payload.each ? run_each(run, payload, context) : run(payload, context);
  } catch (const NeverAgain&) {
    throw;
  } catch (const std::exception& error) {
    if (payload.max_attempts && context.attempt >= *payload.max_attempts)
      throw NeverAgain(error.what());
    throw;
  }
}

const Worker::Run& Worker::find(std::string_view task) const {
  const auto found = tasks_.find(task);
  if (found != tasks_.end()) return found->second;
  // Tried again: another worker may know it.
  std::string known;
  for (const auto& [name, run] : tasks_) known += (known.empty() ? "" : ", ") + name;
  throw std::runtime_error("this worker has no task named " + std::string(task) +
                           "; it has: " + known);
}

int Worker::run(int argc, char** argv) {
  detail::LocalOptions options;
  std::string lease = "1m";
  bool unsandboxed = false;
  CLI::App app(about);
  app.add_flag("--unsandboxed", unsandboxed, "run tasks in this process, without limits");
  app.add_option("--queue", options.queue, "a pull queue")->default_str(options.queue);
  app.add_option("--server", options.client.url, "$DEFERD_URL, else http://127.0.0.1:8123");
  app.add_option("--ca", options.client.ca_file, "certificates to trust beside the system's");
  app.add_option("--concurrency", options.concurrency, "how many tasks run at once")
      ->check(CLI::Range(1, 1000))
      ->default_str(std::to_string(options.concurrency));
  app.add_option("--lease", lease, "of one grant; renewed while a task runs")
      ->check(CLI::Validator(check_duration, "DURATION"))
      ->default_str(lease);
  try {
    if (std::getenv("DEFERD_WARM") != nullptr) return detail::run_warm(*this);
    app.parse(argc, argv);
    if (!unsandboxed) throw CLI::RequiredError("--unsandboxed, or deferd-worker --warm around it,");
    options.lease = *detail::read_duration(lease);
    return detail::run_here(*this, options);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : exit_usage;
  } catch (const Error& error) {
    std::cerr << "error: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}

}  // namespace deferd::inline v1
