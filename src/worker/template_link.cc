#include "worker/template_link.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "base/unix_file.h"
#include "worker/await_end.h"
#include "worker/descriptor_passing.h"
#include "worker/keeper_process.h"
#include "worker/pipe.h"
#include "worker/warm_wire.h"
#include "worker/wire_bytes.h"

namespace deferd {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
using Stream = asio::posix::stream_descriptor;

constexpr Micros pause_first = Millis(200);
constexpr Micros pause_longest = Seconds(10);
constexpr std::size_t log_bytes_max = 64 << 10;  // of one life

}  // namespace

TemplateLink::TemplateLink(asio::io_context& io, KeeperLink& keeper, std::vector<std::byte> hello,
                           Micros load_time, TemplateListener& listener)
    : keeper_(keeper),
      hello_(std::move(hello)),
      load_time_(load_time),
      listener_(listener),
      process_(io),
      control_(io),
      log_(io),
      again_(io),
      load_timer_(io),
      pause_(pause_first) {}

void TemplateLink::start() {
  std::array<int, 2> ends = {-1, -1};
  Pipe log;
  if (!log.ok() || ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return start_again(std::strerror(errno));
  const UnixFile theirs(ends[1]);
  control_.assign(ends[0]);
  if (!send_with(control_.native_handle(), hello_, {})) return start_again(std::strerror(errno));
  if (auto ok = keeper_.start_template(theirs.fd(), log.write()); !ok)
    return start_again(ok.error().message);
  log_.assign(log.take_read());
  log_bytes_ = 0;
  read_log();
  listen();
  load_timer_.expires_after(load_time_);
  load_timer_.async_wait([this](ErrorCode error) {
    if (error) return;
    log_error("handler.slow", {{"error", "it took no task within --load-time"}});
    if (process_.is_open()) kill_sandbox(process_.native_handle());
  });
}

void TemplateLink::made(int pidfd) {
  if (pidfd < 0) return start_again(keeper_.fault());
  process_.assign(pidfd);
  await_end(process_, [this] {
    start_again(loaded_ ? "the handler ended"
                        : "the handler ended before it took tasks: it is to call "
                          "deferd_warm_next()");
  });
}

bool TemplateLink::drop() {
  load_timer_.cancel();
  again_.cancel();
  if (process_.is_open()) kill_sandbox(process_.native_handle());
  ErrorCode ignored;
  for (Stream* stream : {&process_, &control_, &log_}) (void)stream->close(ignored);
  return std::exchange(loaded_, false);
}

Result<void> TemplateLink::fork(std::uint64_t order, std::span<const int> descriptors) {
  const WarmOrder text = {order};
  if (send_with(control_.native_handle(), bytes_of(text), descriptors)) return {};
  return system_error("cannot ask for a fork", errno);
}

void TemplateLink::listen() {
  control_.async_wait(Stream::wait_read, [this](ErrorCode error) {
    if (!error && take_answers()) listen();
  });
}

// False when it is gone; its pidfd tells that too.
bool TemplateLink::take_answers() {
  WarmAnswer answer;
  while (auto received = receive_from(control_.native_handle(), bytes_into(answer))) {
    if (received->descriptor >= 0) ::close(received->descriptor);
    if (received->size != sizeof answer) return false;
    answer.step[sizeof answer.step - 1] = '\0';
    if (answer.number == 0) {
      take_loaded();
    } else if (answer.error == 0) {
      listener_.forked(answer.number, answer.process);
    } else {
      listener_.not_forked(answer.number,
                           std::string(answer.step) + ": " + std::strerror(answer.error));
    }
  }
  return true;
}

void TemplateLink::take_loaded() {
  load_timer_.cancel();
  pause_ = pause_first;
  loaded_ = true;
  log_info("handler.loaded");
  listener_.template_loaded();
}

void TemplateLink::read_log() {
  log_.async_read_some(asio::buffer(log_room_), [this](ErrorCode error, std::size_t size) {
    if (error) return;
    log_bytes_ += size;
    if (log_bytes_ <= log_bytes_max)
      log_info("handler.log", {{"text", std::string(log_room_.data(), size)}});
    read_log();
  });
}

void TemplateLink::start_again(const std::string& why) {
  log_error("handler.ended", {{"error", why}, {"again_ms", pause_.count() / 1000}});
  const bool was_loaded = drop();
  again_.expires_after(pause_);
  pause_ = std::min(pause_ * 2, pause_longest);
  again_.async_wait([this](ErrorCode error) {
    if (!error && keeper_.is_open()) start();
  });
  listener_.template_ended(was_loaded, why);
}

}  // namespace deferd
