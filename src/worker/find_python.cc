#include "worker/find_python.h"

#include <cstdio>
#include <filesystem>
#include <memory>

#include "worker/sandbox_root.h"

namespace deferd {
namespace {

// One path a line: the program, the prefixes, then what is imported from.
constexpr const char* question =
    "python3 -c 'import os, sys\n"
    "print(sys.executable)\n"
    "for p in dict.fromkeys([sys.prefix, sys.base_prefix]): print(\"prefix\", p)\n"
    "for p in dict.fromkeys([os.getcwd(), *filter(None, sys.path)]):\n"
    "  if os.path.exists(p): print(\"import\", os.path.abspath(p))'";

struct Close {
  void operator()(FILE* file) const { ::pclose(file); }
};

}  // namespace

Result<Python> find_python() {
  const auto python3 = find_program("python3");
  if (!python3) return fail(python3.error());
  const std::unique_ptr<FILE, Close> answer(::popen(question, "re"));
  if (!answer) return fail(Reason::unsupported, "python: cannot start " + *python3);
  std::string text;
  for (int byte = 0; (byte = std::fgetc(answer.get())) != EOF;)
    text.push_back(static_cast<char>(byte));
  Python python;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string line = text.substr(0, end);
    text.erase(0, end == std::string::npos ? end : end + 1);
    const auto path = line.substr(line.find(' ') + 1);
    if (line.starts_with("prefix ")) {
      python.folders.push_back(path);
    } else if (line.starts_with("import ")) {
      python.folders.push_back(path);
      if (!python.import_path.empty()) python.import_path += ":";
      python.import_path += path;
    } else {
      python.program = line;
    }
  }
  // What lies in the system's folders is shown anyhow.
  std::erase_if(python.folders, [](const std::string& folder) { return folder == "/"; });
  if (python.program.empty())
    return fail(Reason::unsupported, "python: " + *python3 + " does not answer");
  return python;
}

}  // namespace deferd
