// What one caller says to a server and how it understands the answers. The loop (loop.h) owns
// sockets and clocks; a script is text in, text out, and knows one protocol. One script object for
// each connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace deferd::bench {

class Script {
 public:
  virtual ~Script() = default;

  // Appends the next round to `out`: one call, or one pipelined group of calls.
  virtual void say(std::string& out) = 0;

  struct Heard {
    std::size_t bytes =
        0;  // consumed from the front of what has arrived; the rest comes again with more behind it
    bool round_done = false;  // every answer of the round was read
    std::uint32_t tasks = 0;  // added or finished by this round; valid when it is done
  };
  // Reads as much of `in` as makes whole answers, at most to the end of the round. May append the
  // second half of a round (the ack of what was leased) to `out`. Fills error() when an answer is
  // not the one hoped for.
  virtual Heard hear(std::string_view in, std::string& out) = 0;

  // The first bad answer of the last round; empty when all were good. A round with an error counts
  // no tasks.
  const std::string& error() const { return error_; }

 protected:
  std::string error_;
};

enum class Target : std::uint8_t {
  http,
  deferd,
  appengine,
  grpc_create,
  rest_create,
  redis_list,
  redis_stream,
  beanstalkd
};

struct ScriptOptions {
  Target target = Target::http;
  std::uint32_t batch = 1;  // tasks a round
  std::uint32_t payload_bytes = 300;
  std::string queue =
      "bench";  // queue, tube, list or stream; Cloud Tasks: projects/P/locations/L/queues/Q
  std::string path = "/";  // http only
  std::string url;    // of deferd's doors: where added tasks go; deferd: empty for a pull queue
  std::string delay;  // deferd only: of added tasks, as in "1h"; empty: due at once
};

enum class Role : std::uint8_t { producer, consumer };

// `caller` numbers the connections of a role from 0. Targets http, appengine and
// those of Cloud Tasks have producers only.
std::unique_ptr<Script> make_script(const ScriptOptions& options, Role role, std::uint32_t caller);

// `bytes` of text that differs from call to call, and does not compress much: what a payload looks
// like to a store.
std::string_view next_payload(std::uint32_t bytes);

}  // namespace deferd::bench
