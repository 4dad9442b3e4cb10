#include "worker/sandbox.h"

#include <filesystem>

namespace deferd {

std::string_view to_string(ExitCause cause) {
  switch (cause) {
    case ExitCause::exited:
      return "exited";
    case ExitCause::signalled:
      return "signalled";
    case ExitCause::out_of_memory:
      return "out_of_memory";
    case ExitCause::cpu_time:
      return "cpu_time";
    case ExitCause::wall_time:
      return "wall_time";
    case ExitCause::output:
      return "output";
    case ExitCause::killed:
      return "killed";
    case ExitCause::not_started:
      break;
  }
  return "not_started";
}

std::string default_part(const std::string& name) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& folder : {here, here.parent_path() / "lib" / "deferd",
                                 here.parent_path() / "lib", here.parent_path() / "libexec"}) {
    if (fs::exists(folder / name, error)) return (folder / name).string();
  }
  return (here / name).string();
}

}  // namespace deferd
