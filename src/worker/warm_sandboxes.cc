#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <span>
#include <utility>

#include "base/log.h"
#include "base/unix_file.h"
#include "worker/await_end.h"
#include "worker/descriptor_passing.h"
#include "worker/keeper_process.h"
#include "worker/pipe.h"
#include "worker/sandbox.h"
#include "worker/sandbox_kit.h"
#include "worker/sandbox_root.h"
#include "worker/sandbox_run.h"
#include "worker/seccomp_filter.h"
#include "worker/warm_wire.h"

namespace deferd {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
using Stream = asio::posix::stream_descriptor;

constexpr Micros retry_first = Millis(200);
constexpr Micros retry_longest = Seconds(10);
constexpr std::size_t log_bytes_max = 64 << 10;  // of one life of a handler

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span<const T, 1>(&value, 1));
}
template <class T>
std::span<std::byte> bytes_into(T& value) {
  return std::as_writable_bytes(std::span<T, 1>(&value, 1));
}

WarmLimits warm_limits(const Limits& limits) {
  const auto seconds = static_cast<std::uint64_t>(limits.cpu_time.count() / 1'000'000);
  return {limits.open_files, limits.disk_bytes, limits.cpu_time > Micros(0) ? seconds + 2 : 0};
}

// Where a task runs, or the next one will: a sandbox, and a fork of the handler in it, which was
// made before its task comes.
struct Place {
  enum class State : std::uint8_t {
    empty,    // its sandbox is to be made
    making,   // the keeper makes it
    made,     // the handler is to fork into it
    waiting,  // a fork of the handler waits in it for its task
    busy,     // it runs one
  };
  State state = State::empty;
  std::shared_ptr<Cgroup> group;
  std::vector<int> entrances;  // of the group
  SandboxProcess process;      // made: its pidfd; waiting: all of it
  std::uint64_t fork = 0;      // waiting, busy: the number of the order to fork
  bool forked = false;         // the handler says that it has
  std::uint64_t run = 0;       // busy
};

// A task in hand.
struct Job {
  std::string input;
  Callback<void(SandboxExit)> done;
};

class WarmSandboxes final : public Sandboxes {
 public:
  WarmSandboxes(asio::io_context& io, SandboxKit kit, SandboxOptions options)
      : io_(io),
        kit_(std::move(kit)),
        options_(std::move(options)),
        keeper_(io),
        keeper_socket_(io),
        keeper_again_(io),
        places_again_(io),
        template_(io),
        control_(io),
        template_log_(io),
        template_again_(io),
        load_timer_(io) {
    // Some more than run at once, so that the next ones are made while those run.
    places_.resize(options_.concurrency + std::min(options_.concurrency, 16U));
  }
  ~WarmSandboxes() override {
    for (auto& [number, run] : runs_) run->abandon();
    if (keeper_.is_open()) {
      kill_sandbox(keeper_.native_handle());
      reap_sandbox(keeper_.native_handle());
    }
    for (Place& place : places_) forget(place);
    if (go_ >= 0) ::close(go_);
  }

  Result<void> prepare() {
    if (auto ok = allow_open_files(); !ok) return ok;
    auto of_keeper = make_keeper_filter(options_.limits.network);
    if (!of_keeper) return fail(of_keeper.error());
    keeper_filter_ = std::move(*of_keeper);
    auto of_template = make_template_filter(options_.limits.network);
    if (!of_template) return fail(of_template.error());
    template_filter_ = std::move(*of_template);
    if (auto ok = start_keeper(); !ok) return ok;
    return probe();
  }

  std::vector<std::string> enforcement() const override {
    auto lines = kit_.enforcement();
    if (options_.warm) {
      lines.emplace_back(
          "warm handler: loaded in a sandbox with the limits of a task; each task in a fork of it");
    }
    return lines;
  }

  bool ready() const override { return ready_; }

  std::uint64_t start(SandboxJob job, Callback<void(SandboxExit)> done) override {
    const std::uint64_t number = ++last_run_;
    if (std::ranges::any_of(job.arguments, [](const std::string& argument) {
          return argument.find('\0') != std::string::npos;
        })) {
      not_started(std::move(done), "an argument cannot hold a zero byte");
      return number;
    }
    waiting_.emplace_back(number, Job{input_of(job), std::move(done)});
    dispatch();
    return number;
  }

  void kill(std::uint64_t run) override {
    const auto at = runs_.find(run);
    if (at != runs_.end()) return at->second->end(ExitCause::killed);
    const auto waits = std::ranges::find(waiting_, run, &std::pair<std::uint64_t, Job>::first);
    if (waits == waiting_.end()) return;
    asio::post(io_, [done = std::move(waits->second.done)]() mutable {
      SandboxExit exit;
      exit.cause = ExitCause::killed;
      done(std::move(exit));
    });
    waiting_.erase(waits);
  }

 private:
  // A place holds a pidfd, four pipes, and up to three entrances.
  Result<void> allow_open_files() const {
    rlimit limit = {};
    (void)::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
    const std::size_t needed = 8 * places_.size() + 100;
    if (limit.rlim_max >= needed) return {};
    return fail(Reason::unsupported, "concurrency: " + std::to_string(options_.concurrency) +
                                         " at once need " + std::to_string(needed) +
                                         " open files, and " + std::to_string(limit.rlim_max) +
                                         " are allowed (ulimit -Hn)");
  }

  // ---- Keeper

  Result<void> start_keeper() {
    const std::string path = default_part("deferd-keeper");
    const UnixFile program(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (program.fd() < 0) return system_error("cannot open " + path, errno);
    const UnixFile plan_file(::memfd_create("keeper", MFD_CLOEXEC));
    const std::string text = keeper_plan();
    if (plan_file.fd() < 0 ||
        ::write(plan_file.fd(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::lseek(plan_file.fd(), 0, SEEK_SET) != 0)
      return system_error("cannot write the keeper's plan", errno);
    // First processes of sandboxes, and helpers that enter them, are counted here too; one takes a
    // quarter of this, the most of it in the kernel.
    constexpr std::uint64_t place_bytes = 1 << 20;
    Limits limits = options_.limits;
    limits.processes += static_cast<std::uint32_t>(2 * places_.size() + 8);
    limits.memory_bytes += place_bytes * places_.size();
    auto group = kit_.tree.make("keeper-" + std::to_string(keepers_++), limits);
    if (!group) return fail(group.error());
    keeper_group_ = std::move(*group);
    auto made = make_keeper_process(
        kit_.plan(options_.limits), *keeper_group_,
        {.network = options_.limits.network, .program = program.fd(), .plan = plan_file.fd()});
    if (!made) return fail(made.error());
    keeper_.assign(made->pidfd);
    keeper_socket_.assign(made->socket);
    go_ = made->go;
    keeper_report_ = made->report;
    fill_places();
    start_template();
    await_end(keeper_, [this] { keeper_ended(); });
    listen_to_keeper();
    return {};
  }

  std::string keeper_plan() const {
    const Limits& limits = options_.limits;
    const auto plan = kit_.plan(limits);
    std::string texts;
    const auto add = [&texts](const std::string& one) { texts.append(one).push_back('\0'); };
    KeeperPlan head;
    add("mode=700,uid=1000,gid=1000,size=" + plan.tmp_bytes + ",nr_inodes=" + plan.tmp_inodes);
    for (const Shown& one : plan.shown) {
      if (!one.path.starts_with("/tmp/")) continue;
      add(one.path);
      ++head.shown_in_tmp;
    }
    for (const std::string& word : options_.command) add(word);
    for (const std::string& one : options_.environment) add(one);
    if (options_.warm) {
      add("DEFERD_WARM=1");
      add("DEFERD_WARM_FD=3");
      add("DEFERD_WARM_LIBRARY=" + default_part("libdeferd_warm.so"));
    }
    head.own_users = ::geteuid() == 0 ? 1 : 0;
    head.network = limits.network ? 1 : 0;
    head.launcher = options_.warm ? 0 : 1;
    head.limits = warm_limits(limits);
    head.filter_size = static_cast<std::uint32_t>(keeper_filter_.size());
    head.template_filter_size = static_cast<std::uint32_t>(template_filter_.size());
    head.arguments = static_cast<std::uint32_t>(options_.command.size());
    head.text_size = static_cast<std::uint32_t>(texts.size());
    std::string text;
    const auto append = [&text](std::span<const std::byte> bytes) {
      text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    append(bytes_of(head));
    append(std::as_bytes(std::span(keeper_filter_)));
    append(std::as_bytes(std::span(template_filter_)));
    return text + texts;
  }

  // The first sandbox is made before any task comes: what the system has not is told at the start.
  Result<void> probe() {
    constexpr int patience_ms = 30'000;
    pollfd socket = {keeper_socket_.native_handle(), POLLIN, 0};
    (void)::poll(&socket, 1, patience_ms);
    take_answers();
    const bool made = std::ranges::any_of(places_, [](const Place& place) {
      return place.state == Place::State::made || place.state == Place::State::waiting;
    });
    if (made) return {};
    return fail(Reason::unsupported, "no sandbox can be made here: " + keeper_fault());
  }

  std::string keeper_fault() const {
    SandboxReport report;
    if (::read(keeper_report_, &report, sizeof report) == sizeof report) {
      report.step[sizeof report.step - 1] = '\0';
      return std::string(report.step) + ": " + std::strerror(report.error);
    }
    return fault_.empty() ? "the keeper ended" : fault_;
  }

  void listen_to_keeper() {
    keeper_socket_.async_wait(Stream::wait_read, [this](ErrorCode error) {
      if (error) return;
      if (!take_answers()) return;
      listen_to_keeper();
    });
  }

  // False when the keeper is gone.
  bool take_answers() {
    KeeperAnswer answer;
    while (auto received = receive_from(keeper_socket_.native_handle(), bytes_into(answer))) {
      if (received->size != sizeof answer) return false;
      answer.step[sizeof answer.step - 1] = '\0';
      if (received->descriptor < 0)
        fault_ = std::string(answer.step) + ": " + std::strerror(answer.error);
      switch (answer.order.kind) {
        case KeeperOrder::Kind::handler:
          template_made(received->descriptor);
          break;
        case KeeperOrder::Kind::sandbox:
          sandbox_made(places_.at(answer.order.place), received->descriptor);
          break;
        case KeeperOrder::Kind::ended:
          task_ended(answer);
          break;
      }
    }
    return true;
  }

  // The template tells which process is which task's; either may be heard first.
  void task_ended(const KeeperAnswer& answer) {
    TaskEnd end;
    end.code = answer.code;
    end.signal = answer.signal;
    end.usage.cpu = Micros(answer.cpu_micros);
    end.usage.memory_peak_bytes = answer.memory_peak_bytes;
    ends_.insert_or_assign(answer.process, end);
    const auto fork = processes_.find(answer.process);
    if (fork != processes_.end()) match(fork->first, fork->second);
  }
  void match(std::int32_t process, std::uint64_t fork) {
    const auto at = ends_.find(process);
    if (at == ends_.end()) return;
    const TaskEnd end = at->second;
    ends_.erase(at);
    processes_.erase(process);
    Place* const place = place_of(fork);
    if (place == nullptr) return;
    if (place->state == Place::State::busy) {
      runs_.at(place->run)->task_ended(end);
    } else {
      abandon(*place);
      not_made("the handler's process ended before its task came: code " +
               std::to_string(end.code) + ", signal " + std::to_string(end.signal));
    }
  }

  void keeper_ended() {
    log_error("keeper.ended", {{"error", keeper_fault()}});
    reap_sandbox(keeper_.native_handle());
    ErrorCode ignored;
    for (Stream* stream : {&keeper_, &keeper_socket_}) (void)stream->close(ignored);
    drop_template("the handler's sandbox ended");
    ::close(keeper_report_);
    ::close(go_);
    go_ = -1;
    keeper_group_.reset();
    processes_.clear();
    ends_.clear();
    for (Place& place : places_) {
      if (place.state != Place::State::busy) forget(place);
    }
    keeper_again_.expires_after(retry_longest / 10);
    keeper_again_.async_wait([this](ErrorCode error) {
      if (error) return;
      if (auto ok = start_keeper(); !ok) {
        log_error("keeper.failed", {{"error", ok.error().message}});
        if (keeper_.is_open()) return;
        keeper_ended_before_start();
      }
    });
  }
  void keeper_ended_before_start() {
    keeper_again_.expires_after(retry_longest);
    keeper_again_.async_wait([this](ErrorCode error) {
      if (!error) (void)start_keeper();
    });
  }

  // ---- Places

  void forget(Place& place) {
    close_process(place);
    for (const int entrance : place.entrances) ::close(entrance);
    place = {};
  }

  static void close_process(Place& place) {
    const SandboxProcess& process = place.process;
    for (const int fd : {process.pidfd, process.in, process.out, process.err, process.tell}) {
      if (fd >= 0) ::close(fd);
    }
    place.process = {};
  }

  // Of a place without a task: ends its sandbox. It is to be made again.
  void abandon(Place& place) {
    if (place.process.pidfd >= 0) kill_sandbox(place.process.pidfd);
    close_process(place);
    place.state = Place::State::empty;
  }

  // Null: that fork's task is over.
  Place* place_of(std::uint64_t fork) {
    const auto at = std::ranges::find_if(places_, [fork](const Place& place) {
      return place.fork == fork &&
             (place.state == Place::State::waiting || place.state == Place::State::busy);
    });
    return at == places_.end() ? nullptr : &*at;
  }

  // Goes on with places that are not ready for a task, a few at a time: orders wait in sockets,
  // which hold so many and no more.
  void fill_places() {
    constexpr std::ptrdiff_t under_way_max = 64;
    if (places_rest_) return;
    auto under_way = std::ranges::count_if(places_, [](const Place& place) {
      return place.state == Place::State::making ||
             (place.state == Place::State::waiting && !place.forked);
    });
    for (Place& place : places_) {
      const bool makes = place.state == Place::State::empty && keeper_socket_.is_open();
      const bool forks = place.state == Place::State::made && ready_;
      if (!makes && !forks) continue;
      if (under_way++ == under_way_max) break;
      if (auto ok = makes ? make(place) : fork_into(place); !ok) {
        not_made(ok.error().message);
        break;
      }
    }
    dispatch();
  }

  Result<void> make_group(Place& place) {
    for (const int entrance : place.entrances) ::close(entrance);
    place.entrances.clear();
    place.group.reset();
    auto group = kit_.tree.make("task-" + std::to_string(groups_++), options_.limits);
    if (!group) return fail(group.error());
    auto entrances = (*group)->open_entrances();
    if (!entrances) return fail(entrances.error());
    place.group = std::move(*group);
    place.entrances = std::move(*entrances);
    return {};
  }

  Result<void> make(Place& place) {
    if (!place.group || !place.group->start_over()) {
      if (auto ok = make_group(place); !ok) return ok;
    }
    const KeeperOrder order = {KeeperOrder::Kind::sandbox,
                               static_cast<std::uint32_t>(&place - places_.data())};
    if (!send_with(keeper_socket_.native_handle(), bytes_of(order), {}))
      return system_error("cannot ask for a sandbox", errno);
    place.state = Place::State::making;
    return {};
  }

  void sandbox_made(Place& place, int pidfd) {
    if (pidfd < 0) {
      place.state = Place::State::empty;
      return not_made(fault_);
    }
    place.process.pidfd = pidfd;
    place.state = Place::State::made;
    fill_places();
  }

  Result<void> fork_into(Place& place) {
    Pipe in;
    Pipe out;
    Pipe err;
    Pipe tell;
    const WarmOrder order = {++last_fork_};
    std::vector<int> descriptors = {place.process.pidfd, in.read(), out.write(), err.write(),
                                    tell.write()};
    descriptors.insert(descriptors.end(), place.entrances.begin(), place.entrances.end());
    if (!in.ok() || !out.ok() || !err.ok() || !tell.ok() ||
        !send_with(control_.native_handle(), bytes_of(order), descriptors))
      return system_error("cannot ask for a fork", errno);
    place.process.in = in.take_write();
    place.process.out = out.take_read();
    place.process.err = err.take_read();
    place.process.tell = tell.take_read();
    place.fork = order.number;
    place.forked = false;
    place.state = Place::State::waiting;
    return {};
  }

  // Tried again in a while, with all that are not ready.
  void not_made(const std::string& why) {
    log_error("sandbox.failed", {{"error", why}});
    places_rest_ = true;
    places_again_.expires_after(retry_longest / 10);
    places_again_.async_wait([this](ErrorCode error) {
      if (error) return;
      places_rest_ = false;
      fill_places();
    });
  }

  // ---- Template

  void start_template() {
    std::array<int, 2> ends = {-1, -1};
    Pipe log;
    if (!log.ok() || ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
      return try_template_again(std::strerror(errno));
    const UnixFile theirs(ends[1]);
    control_.assign(ends[0]);
    WarmHello hello;
    hello.limits = warm_limits(options_.limits);
    hello.network = options_.limits.network ? 1 : 0;
    hello.filter_size = static_cast<std::uint32_t>(kit_.seccomp.size());
    std::vector<std::byte> text;
    for (const auto& part : {bytes_of(hello), std::as_bytes(std::span(kit_.seccomp))})
      text.insert(text.end(), part.begin(), part.end());
    const KeeperOrder order = {KeeperOrder::Kind::handler, 0};
    if (!send_with(control_.native_handle(), text, {}) ||
        !send_with(keeper_socket_.native_handle(), bytes_of(order),
                   std::array{theirs.fd(), log.write()}))
      return try_template_again(std::strerror(errno));
    template_log_.assign(log.take_read());
    log_bytes_ = 0;
    read_template_log();
    listen_to_template();
    load_timer_.expires_after(options_.load_time);
    load_timer_.async_wait([this](ErrorCode error) {
      if (error) return;
      log_error("handler.slow", {{"error", "it took no task within --load-time"}});
      if (template_.is_open()) kill_sandbox(template_.native_handle());
    });
  }

  void template_made(int pidfd) {
    if (pidfd < 0) return try_template_again(fault_);
    template_.assign(pidfd);
    await_end(template_, [this] {
      try_template_again(ready_ ? "the handler ended"
                                : "the handler ended before it took tasks: it is to call "
                                  "deferd_warm_next()");
    });
  }

  void listen_to_template() {
    control_.async_wait(Stream::wait_read, [this](ErrorCode error) {
      if (error || !hear_template()) return;
      listen_to_template();
    });
  }

  // False when it is gone; its pidfd tells that too.
  bool hear_template() {
    WarmAnswer answer;
    while (auto received = receive_from(control_.native_handle(), bytes_into(answer))) {
      if (received->descriptor >= 0) ::close(received->descriptor);
      if (received->size != sizeof answer) return false;
      answer.step[sizeof answer.step - 1] = '\0';
      if (answer.number == 0) {
        loaded();
        continue;
      }
      Place* const place = place_of(answer.number);
      if (answer.error == 0) {
        processes_.insert_or_assign(answer.process, answer.number);
        match(answer.process, answer.number);
        if (place != nullptr) place->forked = true;
        fill_places();
      } else if (place != nullptr) {
        not_forked(*place, std::string(answer.step) + ": " + std::strerror(answer.error));
      }
    }
    return true;
  }

  void not_forked(Place& place, const std::string& why) {
    if (place.state == Place::State::busy)
      return runs_.at(place.run)->end(ExitCause::not_started, why);
    abandon(place);
    not_made(why);
  }

  void loaded() {
    load_timer_.cancel();
    template_pause_ = retry_first;
    ready_ = true;
    log_info("handler.loaded");
    fill_places();
  }

  void read_template_log() {
    template_log_.async_read_some(
        asio::buffer(log_room_), [this](ErrorCode error, std::size_t size) {
          if (error) return;
          log_bytes_ += size;
          if (log_bytes_ <= log_bytes_max)
            log_info("handler.log", {{"text", std::string(log_room_.data(), size)}});
          read_template_log();
        });
  }

  void try_template_again(const std::string& why) {
    log_error("handler.ended", {{"error", why}, {"again_ms", template_pause_.count() / 1000}});
    drop_template(why);
    template_again_.expires_after(template_pause_);
    template_pause_ = std::min(template_pause_ * 2, retry_longest);
    template_again_.async_wait([this](ErrorCode error) {
      if (!error && keeper_socket_.is_open()) start_template();
    });
  }

  // What it was given and has not begun will not begin; nor what waits for one that cannot load.
  // Its forks that have no task yet are not used.
  void drop_template(const std::string& why) {
    if (!std::exchange(ready_, false)) {
      for (auto& [number, job] : std::exchange(waiting_, {})) {
        not_started(std::move(job.done), why);
      }
    }
    load_timer_.cancel();
    template_again_.cancel();
    if (template_.is_open()) kill_sandbox(template_.native_handle());
    ErrorCode ignored;
    for (Stream* stream : {&template_, &control_, &template_log_}) (void)stream->close(ignored);
    ends_.clear();
    for (Place& place : places_) {
      if (place.state == Place::State::waiting) {
        abandon(place);
      } else if (place.state == Place::State::busy && !place.forked) {
        runs_.at(place.run)->end(ExitCause::not_started, why);
      }
    }
    fill_places();
  }

  // ---- Tasks

  void not_started(Callback<void(SandboxExit)> done, std::string why) {
    SandboxExit exit;
    exit.detail = std::move(why);
    asio::post(
        io_, [done = std::move(done), exit = std::move(exit)]() mutable { done(std::move(exit)); });
  }

  static std::string input_of(const SandboxJob& job) {
    const TaskFacts& task = job.task;
    WarmTaskHeader header;
    header.attempt = task.attempt;
    header.keep_result = task.keep_result ? 1 : 0;
    header.queue_size = static_cast<std::uint32_t>(task.queue.size());
    header.id_size = static_cast<std::uint32_t>(task.id.size());
    header.name_size = static_cast<std::uint32_t>(task.name.size());
    header.payload_size = job.input.size();
    std::string arguments;
    for (const std::string& argument : job.arguments) arguments.append(argument).push_back('\0');
    header.arguments_size = static_cast<std::uint32_t>(arguments.size());
    std::string text(reinterpret_cast<const char*>(&header), sizeof header);
    return text.append(task.queue)
        .append(task.id)
        .append(task.name)
        .append(arguments)
        .append(job.input);
  }

  void dispatch() {
    while (ready_ && !waiting_.empty()) {
      const auto place = std::ranges::find(places_, Place::State::waiting, &Place::state);
      if (place == places_.end()) return;
      auto [number, job] = std::move(waiting_.front());
      waiting_.pop_front();
      launch(*place, number, std::move(job));
    }
  }

  void launch(Place& place, std::uint64_t number, Job job) {
    place.state = Place::State::busy;
    place.run = number;
    const auto run = std::make_shared<SandboxRun>(
        io_, options_.limits, place.group,
        [this, &place, number, done = std::move(job.done)](SandboxExit exit) mutable {
          const std::shared_ptr<SandboxRun> self = std::move(runs_.at(number));
          runs_.erase(number);
          done(std::move(exit));
          place.state = Place::State::empty;
          fill_places();
        });
    runs_.emplace(number, run);
    SandboxProcess process = std::exchange(place.process, {});
    // Mostly all of it goes at once.
    const ssize_t gone = ::write(process.in, job.input.data(), job.input.size());
    if (gone > 0) job.input.erase(0, static_cast<std::size_t>(gone));
    if (job.input.empty()) ::close(std::exchange(process.in, -1));
    run->begin(process, std::move(job.input));
  }

  asio::io_context& io_;
  const SandboxKit kit_;
  const SandboxOptions options_;
  std::vector<sock_filter> keeper_filter_;
  std::vector<sock_filter> template_filter_;

  Stream keeper_;
  Stream keeper_socket_;
  std::unique_ptr<Cgroup> keeper_group_;
  int keeper_report_ = -1;
  int go_ = -1;
  std::string fault_;  // the last one that the keeper told
  asio::steady_timer keeper_again_;
  asio::steady_timer places_again_;
  bool places_rest_ = false;  // until that timer
  std::uint64_t keepers_ = 0;
  std::uint64_t groups_ = 0;
  std::vector<Place> places_;

  Stream template_;
  Stream control_;
  Stream template_log_;
  std::array<char, 4096> log_room_;
  std::size_t log_bytes_ = 0;
  asio::steady_timer template_again_;
  asio::steady_timer load_timer_;
  Micros template_pause_ = retry_first;
  bool ready_ = false;  // it is loaded

  std::uint64_t last_run_ = 0;
  std::deque<std::pair<std::uint64_t, Job>> waiting_;
  std::map<std::uint64_t, std::shared_ptr<SandboxRun>> runs_;
  // By number in the keeper's pid namespace: of which order to fork, and how it ended.
  std::uint64_t last_fork_ = 0;
  std::map<std::int32_t, std::uint64_t> processes_;
  std::map<std::int32_t, TaskEnd> ends_;
};

}  // namespace

Result<std::unique_ptr<Sandboxes>> Sandboxes::make(asio::io_context& io, SandboxOptions options) {
  if (options.command.empty()) return fail(Reason::invalid, "command: there is none", "command");
  auto program = find_program(options.command[0]);
  if (!program) return fail(program.error());
  options.command[0] = *program;
  options.show.push_back(std::move(*program));
  if (options.warm) options.show.push_back(default_part("libdeferd_warm.so"));
  auto kit = SandboxKit::make(options);
  if (!kit) return fail(kit.error());
  auto sandboxes = std::make_unique<WarmSandboxes>(io, std::move(*kit), std::move(options));
  if (auto ok = sandboxes->prepare(); !ok) return fail(ok.error());
  return std::unique_ptr<Sandboxes>(std::move(sandboxes));
}

}  // namespace deferd
