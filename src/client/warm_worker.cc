#include "client/warm_worker.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cerrno>
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
    const std::string json =
        worker.run_payload({static_cast<const char*>(task.payload), task.payload_size}, context);
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
