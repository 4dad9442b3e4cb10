#include "server/run.h"

#include <csignal>
#include <cstdio>
#include <ctime>
#include <utility>

#include "api/http/server.h"
#include "base/log.h"
#include "config/server_config.h"

// Read by jemalloc (docs/decisions/0007): what a burst needed goes back to the system two seconds
// after it, also from threads that have nothing more to do.
extern "C" const char* const malloc_conf;
const char* const malloc_conf = "background_thread:true,dirty_decay_ms:2000,muzzy_decay_ms:0";

namespace deferd {
namespace {

// Waits for a signal for at most a second; 0: none came.
int next_signal(const sigset_t& signals) {
  const timespec second{.tv_sec = 1, .tv_nsec = 0};
  const int signal = sigtimedwait(&signals, nullptr, &second);
  return signal > 0 ? signal : 0;
}

void log_settings(const ServerConfig& config) {
  for (const Setting& setting : settings()) {
    const std::string value = setting.secret ? std::string("(secret)") : setting.print(config);
    const auto from = config.from.find(setting.name);
    log_info("setting", {{"name", setting.name},
                         {"value", std::string_view(value)},
                         {"from", from == config.from.end() ? std::string_view("default")
                                                            : std::string_view(from->second)}});
  }
}

}  // namespace

int run_server(int argc, char** argv, Server::OpenStore open_store) {
  auto call = load_config(argc, argv);
  if (!call) {
    std::fprintf(stderr, "deferd: %s\n", call.error().message.c_str());
    return 2;
  }
  if (call->wish == ConfigCall::Wish::print) {
    std::fputs(call->text.c_str(), stdout);
    return 0;
  }
  const ServerConfig& config = call->config;
  set_log_level(config.log_level);

  // Blocked before any thread starts, so that all inherit it and only the wait below sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  log_settings(config);
  raise_open_files_limit();
  auto server = Server::start(config, std::move(open_store));
  if (!server) {
    log_error("server.start_failed", {{"error", std::string_view(server.error().message)}});
    std::fprintf(stderr, "deferd: %s\n", server.error().message.c_str());
    return 1;
  }
  const std::string address = (*server)->address();
  log_info("server.started", {{"listen", std::string_view(address)},
                              {"store", config.store == StoreKind::memory ? "memory" : "rocksdb"},
                              {"data", std::string_view(config.data)}});
  int signal = 0;
  while (signal == 0) {
    (*server)->refresh_metrics();
    signal = next_signal(signals);
    if (signal != SIGHUP) continue;
    (*server)->reload();
    signal = 0;
  }
  log_info("server.stopping", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);  // a second signal ends the process
  (*server)->stop();
  log_info("server.stopped");
  return 0;
}

}  // namespace deferd
