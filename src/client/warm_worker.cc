#include "client/warm_worker.h"

#include <dlfcn.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "deferd/warm.h"

namespace deferd::inline v1::detail {
namespace {

constexpr int exit_never_again = 65;  // what deferd-worker takes for it

// The worker's own copy of the library, which speaks its release of the protocol.
class WarmLibrary {
 public:
  WarmLibrary() {
    const char* const path = std::getenv("DEFERD_WARM_LIBRARY");
    void* const library = path != nullptr ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
    if (library == nullptr)
      throw Error(path == nullptr ? "DEFERD_WARM_LIBRARY is not set" : dlerror());
    find(library, "deferd_warm_next", next);
    find(library, "deferd_warm_content_type", content_type);
    find(library, "deferd_warm_error", error);
  }

  decltype(&deferd_warm_next) next = nullptr;
  decltype(&deferd_warm_content_type) content_type = nullptr;
  decltype(&deferd_warm_error) error = nullptr;

 private:
  template <class Function>
  static void find(void* library, const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(library, name));
    if (function == nullptr) throw Error(dlerror());
  }
};

void write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      throw Error(std::string("the result cannot be written: ") + std::strerror(errno));
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

// The library whose deferd_warm_error() a timeout calls, which may be called in a handler of
// signals.
const WarmLibrary* told_by_timeout = nullptr;

void end_after(double seconds, const WarmLibrary& library) {
  told_by_timeout = &library;
  (void)std::signal(SIGALRM, [](int) {
    constexpr std::string_view text = "the task took longer than its timeout";
    told_by_timeout->error(text.data(), text.size());
    _exit(EXIT_FAILURE);
  });
  itimerval timer = {};
  timer.it_value.tv_sec = static_cast<time_t>(seconds);
  timer.it_value.tv_usec = static_cast<suseconds_t>(1e6 * (seconds - std::floor(seconds)));
  (void)setitimer(ITIMER_REAL, &timer, nullptr);
}

int run_task(const Worker& worker, const WarmLibrary& library, const deferd_warm_task& task) {
  // What the task prints is its log, not its result.
  const int result = dup(STDOUT_FILENO);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  Context context;
  context.queue = task.queue;
  context.task = *task.name != '\0' ? task.name : task.id;
  context.attempt = static_cast<std::int64_t>(task.attempt);
  const auto tell = [&library](const char* text) { library.error(text, std::strlen(text)); };
  try {
    const Payload payload =
        read_payload({static_cast<const char*>(task.payload), task.payload_size});
    if (payload.timeout && *payload.timeout > 0) end_after(*payload.timeout, library);
    const std::string json = worker.run_payload(payload, context);
    if (task.keep_result != 0) {
      library.content_type("application/json");
      write_all(result, json);
    }
    return EXIT_SUCCESS;
  } catch (const NeverAgain& error) {
    tell(error.what());
    return exit_never_again;
  } catch (const std::exception& error) {
    tell(error.what());
  } catch (...) {
    tell("the task threw what is no std::exception");
  }
  return EXIT_FAILURE;
}

}  // namespace

int run_warm(const Worker& worker) {
  const WarmLibrary library;
  deferd_warm_task task;
  const int outcome = library.next(&task);
  if (outcome == 0) return EXIT_SUCCESS;
  if (outcome < 0) throw Error(std::string("deferd_warm_next: ") + std::strerror(errno));
  const int code = run_task(worker, library, task);
  // The loaded program's destructors are not this process's business.
  std::cout.flush();
  std::clog.flush();
  std::fflush(nullptr);
  _exit(code);
}

}  // namespace deferd::inline v1::detail
