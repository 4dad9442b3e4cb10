// For tests: deferd itself, of this build, on a free port of the loopback and with its store in
// memory; ends with this.
#pragma once

#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "deferd/client.h"

namespace deferd::testing {

class RealServer {
 public:
  // `options` are those that the tests' client connects with, but for the URL.
  explicit RealServer(const std::vector<std::string>& flags = {}, ClientOptions options = {},
                      const std::string& scheme = "http") {
    address_ = "127.0.0.1:" + std::to_string(free_port());
    options.url = scheme + "://" + address_;
    options_ = std::move(options);
    start(flags);
    wait_until_ready();
  }
  ~RealServer() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  RealServer(const RealServer&) = delete;
  RealServer& operator=(const RealServer&) = delete;

  const ClientOptions& options() const { return options_; }

 private:
  static int free_port() {
    using boost::asio::ip::tcp;
    boost::asio::io_context io;
    return tcp::acceptor(io, {boost::asio::ip::address_v4::loopback(), 0}).local_endpoint().port();
  }

  void start(const std::vector<std::string>& flags) {
    const std::string program =
        (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "deferd").string();
    std::vector<std::string> words = {program,  "--listen",    address_, "--store",
                                      "memory", "--log-level", "error"};
    words.insert(words.end(), flags.begin(), flags.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    // DEFERD_* are settings to deferd, and an unknown one an error.
    std::vector<char*> environment;
    for (char** variable = environ; *variable != nullptr; ++variable) {
      if (!std::string_view(*variable).starts_with("DEFERD_")) environment.push_back(*variable);
    }
    environment.push_back(nullptr);
    const int failed = ::posix_spawn(&pid_, program.c_str(), nullptr, nullptr, arguments.data(),
                                     environment.data());
    if (failed != 0) ADD_FAILURE() << "cannot start " << program << "; build the target deferd";
  }

  void wait_until_ready() {
    ClientOptions options = options_;
    options.attempts = 1;
    Client client(options);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < deadline) {
      try {
        client.list_queues();
        return;
      } catch (const Error&) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    }
    ADD_FAILURE() << "deferd is not ready after 30 s";
  }

  std::string address_;
  ClientOptions options_;
  pid_t pid_ = 0;
};

}  // namespace deferd::testing
