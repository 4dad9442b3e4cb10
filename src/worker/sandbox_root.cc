#include "worker/sandbox_root.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>

namespace deferd {
namespace {

namespace fs = std::filesystem;

constexpr auto system_folders = std::to_array<const char*>(
    {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc"});

std::vector<std::string> parents_of(const std::string& path) {
  std::vector<std::string> parents;
  for (auto slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1))
    parents.push_back(path.substr(0, slash));
  return parents;
}

std::optional<Shown> shown(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(path, error);
  Shown one;
  one.path = path;
  switch (status.type()) {
    case fs::file_type::directory:
      one.kind = Shown::Kind::folder;
      break;
    case fs::file_type::symlink:
      one.kind = Shown::Kind::symlink;
      one.link = fs::read_symlink(path, error).string();
      break;
    case fs::file_type::regular:
      one.kind = Shown::Kind::file;
      break;
    default:
      return std::nullopt;
  }
  one.parents = parents_of(path);
  return one;
}

bool lies_in(const std::string& path, const Shown& shown) {
  return path == shown.path ||
         (shown.kind == Shown::Kind::folder && path.starts_with(shown.path + "/"));
}

}  // namespace

Result<std::string> find_program(const std::string& name) {
  std::vector<std::string> candidates;
  if (name.find('/') != std::string::npos) {
    candidates.push_back(fs::absolute(name).lexically_normal().string());
  } else {
    const char* const path = std::getenv("PATH");
    std::string_view folders = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
    while (!folders.empty()) {
      const auto colon = folders.find(':');
      const std::string_view folder = folders.substr(0, colon);
      if (folder.starts_with('/')) candidates.push_back(std::string(folder) + "/" + name);
      folders = colon == std::string_view::npos ? "" : folders.substr(colon + 1);
    }
  }
  for (const std::string& candidate : candidates) {
    struct stat status = {};
    if (::stat(candidate.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
        ::access(candidate.c_str(), X_OK) == 0) {
      return candidate;
    }
  }
  return fail(Reason::invalid,
              "command: " + name + " is no program" +
                  (name.find('/') != std::string::npos ? " that can be run" : " in PATH"),
              "command");
}

Result<std::vector<Shown>> shown_files(const std::vector<std::string>& more) {
  std::vector<Shown> all;
  for (const char* folder : system_folders) {
    if (auto one = shown(folder)) all.push_back(std::move(*one));
  }
  std::vector<std::string> sorted = more;
  std::ranges::sort(sorted);  // folders before what is in them
  for (const std::string& given : sorted) {
    if (!given.starts_with('/'))
      return fail(Reason::invalid, "show: " + given + " is no absolute path", "show");
    // What a link means, not the link: nobody knows whether its target is shown.
    std::error_code error;
    const std::string path = fs::canonical(given, error).string();
    if (error) return fail(Reason::invalid, "show: " + given + ": " + error.message(), "show");
    if (path == "/")
      return fail(Reason::invalid, "show: / would show the whole machine; name folders", "show");
    if (std::ranges::any_of(all, [&](const Shown& there) { return lies_in(path, there); }))
      continue;
    auto one = shown(path);
    if (!one) return fail(Reason::invalid, "show: " + given + " is no folder and no file", "show");
    // Where the caller looks for it.
    one->path = fs::path(given).lexically_normal().string();
    while (one->path.size() > 1 && one->path.ends_with('/')) one->path.pop_back();
    if (std::ranges::find(all, one->path, &Shown::path) != all.end()) continue;
    one->parents = parents_of(one->path);
    all.push_back(std::move(*one));
  }
  return all;
}

}  // namespace deferd
