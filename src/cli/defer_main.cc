// main() of defer: the real streams, clock and connection around run_defer().
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "cli/defer.h"

int main(int argc, char** argv) {
  // A reader that went away (| head) is no failure: writing then fails, and the command ends
  // without a word.
  std::signal(SIGPIPE, SIG_IGN);
  std::ios::sync_with_stdio(false);
  const std::unique_ptr<deferd::Transport> transport = deferd::open_http_transport();
  deferd::cli::World world{
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .in_is_terminal = isatty(STDIN_FILENO) == 1,
      .out_is_terminal = isatty(STDOUT_FILENO) == 1,
      .err_is_terminal = isatty(STDERR_FILENO) == 1,
      .transport = *transport,
      .now =
          [] {
            const auto since = std::chrono::system_clock::now().time_since_epoch();
            return deferd::Wall(std::chrono::duration_cast<deferd::Micros>(since));
          },
      // Ctrl-C ends the process as it should; there is nothing to put in order.
      .sleep =
          [](deferd::Micros duration) {
            std::this_thread::sleep_for(duration);
            return true;
          },
      .variable = [](const std::string& name) -> std::optional<std::string> {
        const char* value = std::getenv(name.c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
      },
  };
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  return deferd::cli::run_defer(arguments, world);
}
