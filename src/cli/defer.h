// defer, the command line of a deferd server, as one function: what main() has is handed in, so a
// test is one call.
//
// Exit codes (also in --help):
//   0  done
//   1  the server said no, or no to a part of what was asked
//   2  the command line, or a file it names, is wrong; nothing was sent
//   3  the server cannot be reached, or the connection broke (then the outcome of a change is not
//   known) 4  the server could not just now (429 or 5xx); the same command may succeed later
#pragma once

#include <functional>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/time.h"
#include "cli/transport.h"

namespace deferd::cli {

constexpr int exit_done = 0;
constexpr int exit_refused = 1;
constexpr int exit_usage = 2;
constexpr int exit_unreachable = 3;
constexpr int exit_try_later = 4;

// The world as defer sees it.
struct World {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  Transport& transport;
  std::function<Wall()> now;
  // Waits; false: stop what you are doing (the user interrupted).
  std::function<bool(Micros)> sleep;
  std::function<std::optional<std::string>(const std::string& name)> variable;
};

// `arguments` without the program's name. Returns the exit code.
int run_defer(std::span<const std::string> arguments, World& world);

}  // namespace deferd::cli
