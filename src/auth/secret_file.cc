#include "auth/secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/log.h"
#include "base/unix_file.h"

namespace deferd {
namespace {

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = ::write(fd, text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

}  // namespace

Result<std::optional<std::string>> read_secret_file(const std::string& folder,
                                                    std::string_view name, std::size_t bytes_max) {
  const std::string path = folder + "/" + std::string(name);
  const UnixFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.fd() < 0) {
    if (errno == ENOENT) return std::nullopt;
    return system_error("cannot open " + path, errno);
  }
  struct stat status{};
  if (::fstat(file.fd(), &status) == 0 && (status.st_mode & 077) != 0) {
    log_warn("auth.key_is_readable_by_others", {{"path", std::string_view(path)}});
  }
  std::string text(bytes_max + 1, '\0');
  std::size_t size = 0;
  for (;;) {
    const ssize_t more = ::read(file.fd(), text.data() + size, text.size() - size);
    if (more < 0 && errno == EINTR) continue;
    if (more < 0) return system_error("cannot read " + path, errno);
    size += static_cast<std::size_t>(more);
    if (size > bytes_max) {
      return fail(Reason::store_failed,
                  path + " is larger than the " + std::to_string(bytes_max) + " bytes of a key");
    }
    if (more == 0) break;
  }
  text.resize(size);
  return text;
}

Result<void> write_secret_file(const std::string& folder, std::string_view name,
                               std::string_view text) {
  const std::string path = folder + "/" + std::string(name);
  const std::string fresh = path + ".new";
  ::unlink(fresh.c_str());
  {
    const UnixFile file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    const bool written = file.fd() >= 0 && ::fchmod(file.fd(), 0600) == 0 &&
                         write_all(file.fd(), text) && ::fsync(file.fd()) == 0;
    if (!written) return system_error("cannot write " + fresh, errno);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return system_error("cannot make " + path, errno);
  const UnixFile parent(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent.fd() < 0 || ::fsync(parent.fd()) != 0) {
    return system_error("cannot sync " + folder, errno);
  }
  return {};
}

}  // namespace deferd
