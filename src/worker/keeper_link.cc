#include "worker/keeper_link.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "base/log.h"
#include "base/unix_file.h"
#include "worker/await_end.h"
#include "worker/descriptor_passing.h"
#include "worker/keeper_process.h"
#include "worker/seccomp_filter.h"
#include "worker/warm_wire.h"
#include "worker/wire_bytes.h"

namespace deferd {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
using Stream = asio::posix::stream_descriptor;

WarmLimits warm_limits(const Limits& limits) {
  const auto seconds = static_cast<std::uint64_t>(limits.cpu_time.count() / 1'000'000);
  return {limits.open_files, limits.disk_bytes, limits.cpu_time > Micros(0) ? seconds + 2 : 0};
}

Result<std::string> write_keeper_plan(const SandboxOptions& options, const SandboxPlan& root) {
  const bool network = options.limits.network;
  const auto filter = make_keeper_filter(network);
  if (!filter) return fail(filter.error());
  const auto template_filter = make_template_filter(network);
  if (!template_filter) return fail(template_filter.error());
  KeeperPlan head;
  std::string texts;
  const auto add = [&texts](const std::string& one) { texts.append(one).push_back('\0'); };
  add("mode=700,uid=1000,gid=1000,size=" + root.tmp_bytes + ",nr_inodes=" + root.tmp_inodes);
  for (const Shown& one : root.shown) {
    if (!one.path.starts_with("/tmp/")) continue;
    add(one.path);
    ++head.shown_in_tmp;
  }
  for (const std::string& word : options.command) add(word);
  for (const std::string& one : options.environment) add(one);
  if (options.warm) {
    add("DEFERD_WARM=1");
    add("DEFERD_WARM_FD=3");
    add("DEFERD_WARM_LIBRARY=" + default_part("libdeferd_warm.so"));
  }
  head.own_users = ::geteuid() == 0 ? 1 : 0;
  head.network = network ? 1 : 0;
  head.launcher = options.warm ? 0 : 1;
  head.limits = warm_limits(options.limits);
  head.filter_size = static_cast<std::uint32_t>(filter->size());
  head.template_filter_size = static_cast<std::uint32_t>(template_filter->size());
  head.arguments = static_cast<std::uint32_t>(options.command.size());
  head.text_size = static_cast<std::uint32_t>(texts.size());
  std::string plan;
  for (const std::span<const std::byte> part : {bytes_of(head), std::as_bytes(std::span(*filter)),
                                                std::as_bytes(std::span(*template_filter))})
    plan.append(reinterpret_cast<const char*>(part.data()), part.size());
  return plan + texts;
}

KeeperLink::KeeperLink(asio::io_context& io, KeeperListener& listener)
    : listener_(listener), process_(io), socket_(io) {}

Result<void> KeeperLink::start(const SandboxPlan& root, std::unique_ptr<Cgroup> group, bool network,
                               const std::string& plan) {
  const std::string path = default_part("deferd-keeper");
  const UnixFile program(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (program.fd() < 0) return system_error("cannot open " + path, errno);
  const UnixFile file(::memfd_create("keeper", MFD_CLOEXEC));
  if (file.fd() < 0 ||
      ::write(file.fd(), plan.data(), plan.size()) != static_cast<ssize_t>(plan.size()) ||
      ::lseek(file.fd(), 0, SEEK_SET) != 0)
    return system_error("cannot write the keeper's plan", errno);
  const auto made = make_keeper_process(
      root, *group, {.network = network, .program = program.fd(), .plan = file.fd()});
  if (!made) return fail(made.error());
  group_ = std::move(group);
  process_.assign(made->pidfd);
  socket_.assign(made->socket);
  report_ = made->report;
  go_ = made->go;
  await_end(process_, [this] {
    log_error("keeper.ended", {{"error", fault()}});
    end();
    listener_.keeper_ended();
  });
  listen();
  return {};
}

Result<void> KeeperLink::make_sandbox(std::uint32_t place) {
  const KeeperOrder order = {KeeperOrder::Kind::sandbox, place};
  if (send_with(socket_.native_handle(), bytes_of(order), {})) return {};
  return system_error("cannot ask for a sandbox", errno);
}

Result<void> KeeperLink::start_template(int control, int log) {
  const KeeperOrder order = {KeeperOrder::Kind::handler, 0};
  if (send_with(socket_.native_handle(), bytes_of(order), std::array{control, log})) return {};
  return system_error("cannot ask for a handler", errno);
}

void KeeperLink::await_answer() {
  constexpr int patience_ms = 30'000;
  pollfd socket = {socket_.native_handle(), POLLIN, 0};
  (void)::poll(&socket, 1, patience_ms);
  take_answers();
}

std::string KeeperLink::fault() const {
  SandboxReport report;
  if (::read(report_, &report, sizeof report) == sizeof report) {
    report.step[sizeof report.step - 1] = '\0';
    return std::string(report.step) + ": " + std::strerror(report.error);
  }
  return fault_.empty() ? "the keeper ended" : fault_;
}

void KeeperLink::listen() {
  socket_.async_wait(Stream::wait_read, [this](ErrorCode error) {
    if (!error && take_answers()) listen();
  });
}

// False when it is gone.
bool KeeperLink::take_answers() {
  KeeperAnswer answer;
  while (auto received = receive_from(socket_.native_handle(), bytes_into(answer))) {
    if (received->size != sizeof answer) return false;
    answer.step[sizeof answer.step - 1] = '\0';
    if (received->descriptor < 0)
      fault_ = std::string(answer.step) + ": " + std::strerror(answer.error);
    switch (answer.order.kind) {
      case KeeperOrder::Kind::handler:
        listener_.template_made(received->descriptor);
        break;
      case KeeperOrder::Kind::sandbox:
        listener_.sandbox_made(answer.order.place, received->descriptor);
        break;
      case KeeperOrder::Kind::ended: {
        TaskEnd end;
        end.code = answer.code;
        end.signal = answer.signal;
        end.usage.cpu = Micros(answer.cpu_micros);
        end.usage.memory_peak_bytes = answer.memory_peak_bytes;
        listener_.process_ended(answer.process, end);
        break;
      }
    }
  }
  return true;
}

void KeeperLink::end() {
  if (!process_.is_open()) return;
  kill_sandbox(process_.native_handle());
  reap_sandbox(process_.native_handle());
  ErrorCode ignored;
  for (Stream* stream : {&process_, &socket_}) (void)stream->close(ignored);
  ::close(report_);
  ::close(go_);
  group_.reset();
}

}  // namespace deferd
