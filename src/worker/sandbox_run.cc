#include "worker/sandbox_run.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>
#include <utility>

#include "worker/await_end.h"
#include "worker/keeper_process.h"
#include "worker/warm_wire.h"

namespace deferd {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

// What is there now. False at the end of the stream, or when it is broken.
template <class Take>
bool read_all(int fd, Take take) {
  std::array<char, 64 << 10> bytes;
  while (true) {
    const ssize_t size = ::read(fd, bytes.data(), bytes.size());
    if (size > 0) {
      take(std::string_view(bytes.data(), static_cast<std::size_t>(size)));
      continue;
    }
    if (size < 0 && errno == EINTR) continue;
    return size < 0 && errno == EAGAIN;
  }
}

}  // namespace

SandboxRun::SandboxRun(asio::io_context& io, const Limits& limits, std::shared_ptr<Cgroup> group,
                       Callback<void(SandboxExit)> done)
    : limits_(limits),
      group_(std::move(group)),
      done_(std::move(done)),
      log_(limits.log_bytes),
      process_(io),
      in_(io),
      out_(io),
      err_(io),
      tales_(io),
      wall_timer_(io),
      cpu_timer_(io) {}

void SandboxRun::begin(const SandboxProcess& process, std::string input) {
  began_ = Clock::now();
  input_ = std::move(input);
  const auto assign = [](Stream& stream, int fd) {
    if (fd >= 0) stream.assign(fd);
  };
  assign(process_, process.pidfd);
  assign(in_, process.in);
  assign(out_, process.out);
  assign(err_, process.err);
  assign(tales_, process.tell);

  if (in_.is_open()) {
    asio::async_write(in_, asio::buffer(input_),
                      [self = shared_from_this()](ErrorCode, std::size_t) {
                        ErrorCode ignored;
                        (void)self->in_.close(ignored);
                      });
  }
  read(out_, [this](std::string_view bytes) { take_output(bytes); });
  read(err_, [this](std::string_view bytes) { log_.append(bytes); });
  await_end(process_, [self = shared_from_this()] { self->ended(); });
  wall_timer_.expires_after(limits_.wall_time);
  wall_timer_.async_wait([self = shared_from_this()](ErrorCode error) {
    if (!error) self->end(ExitCause::wall_time);
  });
  if (limits_.cpu_time > Micros(0)) watch_cpu(Micros(0));
}

void SandboxRun::end(ExitCause cause, std::string detail) {
  if (!cause_) {
    cause_ = cause;
    exit_.detail = std::move(detail);
  }
  if (process_.is_open()) kill_sandbox(process_.native_handle());
}

void SandboxRun::task_ended(const TaskEnd& end) {
  end_ = end;
  if (!process_.is_open()) return;
  kill_sandbox(process_.native_handle());
  if (group_->is_empty()) ended();  // what is left of the sandbox runs nothing of the task
}

void SandboxRun::abandon() {
  const bool runs = !std::exchange(over_, true) && process_.is_open();
  if (runs) kill_sandbox(process_.native_handle());
}

template <class Take>
void SandboxRun::read(Stream& stream, Take take) {
  stream.async_wait(Stream::wait_read,
                    [this, self = shared_from_this(), &stream, take](ErrorCode error) {
                      if (error || over_) return;
                      if (read_all(stream.native_handle(), take)) return read(stream, take);
                      stream.close();
                    });
}

void SandboxRun::take_output(std::string_view bytes) {
  const std::size_t room = limits_.output_bytes - exit_.output.size();
  exit_.output.append(bytes.substr(0, room));
  if (bytes.size() > room) end(ExitCause::output);
}

// Looks again when the limit may be reached at the earliest: with all processors at work.
void SandboxRun::watch_cpu(Micros used) {
  static const auto processors =
      static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  const Micros left = limits_.cpu_time - used;
  cpu_timer_.expires_after(std::max<Micros>(left / processors, Millis(5)));
  cpu_timer_.async_wait([self = shared_from_this()](ErrorCode error) {
    if (error) return;
    const Micros now = self->group_->cpu();
    if (now >= self->limits_.cpu_time) return self->end(ExitCause::cpu_time);
    self->watch_cpu(now);
  });
}

// All processes of the task have ended: what they wrote is in the pipes.
void SandboxRun::ended() {
  if (std::exchange(over_, true)) return;
  exit_.usage.wall = std::chrono::duration_cast<Micros>(Clock::now() - began_);
  wall_timer_.cancel();
  cpu_timer_.cancel();
  if (out_.is_open())
    read_all(out_.native_handle(), [this](std::string_view bytes) { take_output(bytes); });
  if (err_.is_open())
    read_all(err_.native_handle(), [this](std::string_view bytes) { log_.append(bytes); });
  if (tales_.is_open()) take_tales();
  ErrorCode ignored;
  for (Stream* stream : {&process_, &in_, &out_, &err_, &tales_}) (void)stream->close(ignored);
  exit_.log_left_out = log_.finish(exit_.log);
  exit_.usage.cpu = group_->cpu();
  exit_.usage.memory_peak_bytes = group_->memory_peak_bytes();
  tell_cause();
  group_.reset();
  done_(std::move(exit_));
}

// The task may have written anything: what is not understood ends it.
void SandboxRun::take_tales() {
  std::string said;
  constexpr std::size_t enough = 128 << 10;  // more than the pipe holds
  read_all(tales_.native_handle(), [&said](std::string_view bytes) {
    if (said.size() < enough) said += bytes;
  });
  std::string_view rest = said;
  WarmTellHeader header;
  while (rest.size() >= sizeof header) {
    std::memcpy(&header, rest.data(), sizeof header);
    rest.remove_prefix(sizeof header);
    if (header.size > rest.size() || header.size > error_bytes_max) return;
    const std::string_view text = rest.substr(0, header.size);
    rest.remove_prefix(header.size);
    switch (header.kind) {
      case WarmTellHeader::Kind::content_type:
        exit_.content_type = text.substr(0, content_type_bytes_max);
        break;
      case WarmTellHeader::Kind::error:
        exit_.error = text;
        break;
      case WarmTellHeader::Kind::not_started:
        not_started_ = text;
        break;
      case WarmTellHeader::Kind::retry_after: {
        std::uint64_t millis = 0;
        if (text.size() != sizeof millis) return;
        std::memcpy(&millis, text.data(), sizeof millis);
        exit_.retry_after = Millis(std::min(millis, retry_after_max));
        break;
      }
    }
  }
}

void SandboxRun::tell_cause() {
  if (end_) {
    exit_.usage.cpu = std::max(exit_.usage.cpu, end_->usage.cpu);
    // A group's count is of all processes, and of nothing that others share.
    if (exit_.usage.memory_peak_bytes == 0)
      exit_.usage.memory_peak_bytes = end_->usage.memory_peak_bytes;
    exit_.code = end_->code;
    exit_.signal = end_->signal;
  }
  const bool well = end_ && exit_.code == 0 && exit_.signal == 0;
  if (!not_started_.empty() && !well) {
    exit_.cause = ExitCause::not_started;
    exit_.detail = not_started_;
  } else if (cause_) {
    exit_.cause = *cause_;
  } else if (!well && group_->oom_kills() > 0) {
    exit_.cause = ExitCause::out_of_memory;
  } else if (!end_) {
    exit_.cause = ExitCause::killed;
    exit_.detail = "somebody else ended the sandbox";
  } else if (exit_.signal == SIGXCPU) {
    exit_.cause = ExitCause::cpu_time;
  } else {
    exit_.cause = exit_.signal != 0 ? ExitCause::signalled : ExitCause::exited;
  }
}

}  // namespace deferd
