// What every command of defer shares: the server it speaks to, how it prints, how it fails.
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "cli/defer.h"

namespace CLI {
class App;
}

namespace deferd::cli {

namespace json = boost::json;

// Why a command ends without success. `message` is for people; under --json it is an object on
// standard error.
struct Failure {
  int exit_code = exit_refused;
  std::string message;
  std::string status;  // the server's word, "NOT_FOUND"; often empty
  std::string field;
  std::optional<Micros> retry_after;
};
template <class T>
using Outcome = tl::expected<T, Failure>;

class Session {
 public:
  explicit Session(World& world) : world(world) {}

  // "/v1/queues", or the long form when --project or --location is given.
  std::string queues_path() const;
  std::string queue_path(std::string_view queue) const;

  // One call; a 2xx answer's JSON (null when it has none), anything else as a Failure. Waits up to
  // `extra` longer than --timeout: for a long poll.
  Outcome<json::value> call(std::string_view method, const std::string& path,
                            const json::value& body = nullptr, Micros extra = {});
  // The same with a body that is JSON already: what a user wrote goes out as it was written (1.10
  // stays 1.10, a number of 30 digits keeps them).
  Outcome<json::value> call_text(std::string_view method, const std::string& path, std::string body,
                                 Micros extra = {});
  // Any answer, as text: for /healthz and the like, where 503 is news and not a failure.
  Outcome<HttpAnswer> raw_call(std::string_view method, const std::string& path, std::string body,
                               Micros extra = {});

  // Prints a failure and gives its exit code.
  int fail(const Failure& failure);
  int usage(const std::string& message) {
    return fail({.exit_code = exit_usage, .message = message});
  }

  // Whether standard output gets JSON: asked for, or not a terminal.
  bool json() const { return !table_wished && (json_wished || !world.out_is_terminal); }
  void print_json(const json::value& value);  // one line
  // False when standard output was closed: nobody reads on, so stop, without a word.
  bool heard() const;

  // Asks "QUESTION [y/N]" on a terminal; without one, or with --yes, it does not ask. Without a
  // terminal and without --yes the command was meant, as scripts mean what they say.
  bool confirmed(bool yes, const std::string& question);

  World& world;
  std::string url;
  std::string ca_file;
  TargetUrl server;
  std::string key_file;
  std::string key;  // what calls are made with; empty: nothing
  std::string project;
  std::string location;
  std::string timeout_text = "30s";
  Micros timeout = Seconds(30);
  bool json_wished = false;
  bool table_wished = false;
  // Set by the command that was given on the command line; run when all options were read.
  std::function<int()> action;
};

// Each adds its commands to the parser.
void add_queues_commands(CLI::App& app, Session& session);
void add_add_command(CLI::App& app, Session& session);
void add_apply_command(CLI::App& app, Session& session);
void add_batch_command(CLI::App& app, Session& session);
void add_tasks_commands(CLI::App& app, Session& session);
void add_result_commands(CLI::App& app, Session& session);
void add_dead_commands(CLI::App& app, Session& session);
void add_lease_commands(CLI::App& app, Session& session);
void add_stats_command(CLI::App& app, Session& session);
void add_cron_commands(CLI::App& app, Session& session);
void add_server_commands(CLI::App& app, Session& session);
void add_key_commands(CLI::App& app, Session& session);
void add_completion_commands(CLI::App& app, Session& session);

// What the last of `words` may become, one a line; `words` are what stands on the line after
// "defer".
int complete(Session& session, const CLI::App& app, std::span<const std::string> words);

// Percent-encodes what is not unreserved, for a path segment or a query value.
std::string url_encode(std::string_view text);

// A member of an object as people read it: text as it is, numbers and booleans in JSON, "" for what
// is not there.
std::string text_of(const json::value& object, std::string_view member);
// The member as an array; empty when it is none.
json::array array_of(const json::value& object, std::string_view member);

// What every page of a list brings, one after the other, until `take` says stop or the pages end.
Outcome<void> each_page(Session& session, const std::string& path, std::string_view member,
                        const std::function<bool(const json::array&)>& take);

// Whole standard input or a file, at most `bytes_max`.
Outcome<std::string> read_all(Session& session, const std::string& file, std::size_t bytes_max);

}  // namespace deferd::cli
