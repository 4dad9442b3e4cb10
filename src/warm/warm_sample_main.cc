// A warm handler that does what its payload says, for tests and figures.
#include <deferd/warm.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace {

// `shell COMMAND`: whatever a shell can do; else a word below; else the payload comes back.
int run(const deferd_warm_task& task) {
  const std::string payload(static_cast<const char*>(task.payload), task.payload_size);
  if (payload.starts_with("shell ")) {
    ::execl("/bin/sh", "sh", "-c", payload.c_str() + 6, nullptr);
    return 127;
  }
  if (payload.starts_with("python ")) {
    ::execl("/usr/bin/python3", "python3", "-c", payload.c_str() + 7, nullptr);
    return 127;
  }
  if (payload == "facts") {
    std::printf("%s %s %s %llu %d", task.queue, task.id, task.name,
                static_cast<unsigned long long>(task.attempt), task.keep_result);
    return 0;
  }
  if (payload == "json") {
    deferd_warm_content_type("application/json");
    std::printf("{}");
    return 0;
  }
  if (payload == "error") {
    const std::string text = "it went wrong";
    deferd_warm_error(text.data(), text.size());
    return 3;
  }
  if (payload == "descriptors") {
    for (const auto& open : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;  // the folder's own
      const auto what = std::filesystem::read_symlink(open.path(), gone);
      if (what.string().find("/proc/") != 0)
        std::printf("%s %s\n", open.path().filename().c_str(), what.c_str());
    }
    return 0;
  }
  if (payload == "later") {
    deferd_warm_retry_after(90'000);
    return 1;
  }
  if (payload == "tell too much") {  // past the library, as a hostile task can
    const std::string junk(48 << 10, '\xff');
    (void)!::write(3, junk.data(), junk.size());
    return 0;
  }
  if (payload == "abort") std::abort();
  std::fwrite(payload.data(), 1, payload.size(), stdout);
  return 0;
}

}  // namespace

int main() {
  (void)::open("/etc/passwd", O_RDONLY);  // as some libraries leave files open
  deferd_warm_task task;
  const int is = deferd_warm_next(&task);
  if (is != 1) return 0;  // no worker needs it
  return run(task);
}
