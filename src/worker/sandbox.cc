#include "worker/sandbox.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <cstring>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "worker/cgroups.h"
#include "worker/sandbox_plan.h"
#include "worker/sandbox_process.h"
#include "worker/sandbox_root.h"
#include "worker/seccomp_filter.h"

namespace deferd {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr auto device_paths = std::to_array<const char*>(
    {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"});

// Keeps the beginning and the end of what is written, within a bound.
class BoundedLog {
 public:
  explicit BoundedLog(std::uint64_t bytes_max) : half_(bytes_max / 2) {}

  void append(std::string_view text) {
    const std::size_t first = std::min<std::size_t>(text.size(), half_ - head_.size());
    head_.append(text.substr(0, first));
    tail_.append(text.substr(first));
    // Cut now and then, not at each piece.
    if (tail_.size() > 2 * half_) cut();
  }
  std::uint64_t finish(std::string& log) {
    cut();
    log = std::move(head_);
    if (left_out_ > 0) log += "\n... " + std::to_string(left_out_) + " bytes left out ...\n";
    log += tail_;
    return left_out_;
  }

 private:
  void cut() {
    if (tail_.size() <= half_) return;
    left_out_ += tail_.size() - half_;
    tail_.erase(0, tail_.size() - half_);
  }

  const std::size_t half_;
  std::string head_;
  std::string tail_;
  std::uint64_t left_out_ = 0;
};

// One program from its birth until all that it said is read.
class Run : public std::enable_shared_from_this<Run> {
 public:
  Run(asio::io_context& io, SandboxPlan plan, std::string input, std::unique_ptr<Cgroup> group,
      Callback<void(SandboxExit)> done)
      : plan_(std::move(plan)),
        input_(std::move(input)),
        group_(std::move(group)),
        done_(std::move(done)),
        log_(plan_.limits.log_bytes),
        process_(io),
        in_(io),
        out_(io),
        err_(io),
        report_(io),
        go_(io),
        wall_timer_(io),
        cpu_timer_(io) {}

  void start(std::uint32_t slot) {
    began_ = Clock::now();
    plan_.lay_out();
    auto process = make_sandbox_process(plan_, *group_, slot);
    if (!process) {
      exit_.detail = process.error().message;
      asio::post(wall_timer_.get_executor(),
                 [self = shared_from_this()] { self->done_(std::move(self->exit_)); });
      return;
    }
    process_.assign(process->pidfd);
    in_.assign(process->in);
    out_.assign(process->out);
    err_.assign(process->err);
    report_.assign(process->report);
    go_.assign(process->go);

    asio::async_write(in_, asio::buffer(input_),
                      [self = shared_from_this()](ErrorCode, std::size_t) { self->in_.close(); });
    read(out_, out_bytes_, [this](std::string_view bytes) { take_output(bytes); });
    read(err_, err_bytes_, [this](std::string_view bytes) { log_.append(bytes); });
    read(report_, report_bytes_, [this](std::string_view bytes) { said_.append(bytes); });
    process_.async_wait(asio::posix::stream_descriptor::wait_read,
                        [self = shared_from_this()](ErrorCode error) {
                          if (!error) self->ended();
                        });
    wall_timer_.expires_after(plan_.limits.wall_time);
    wall_timer_.async_wait([self = shared_from_this()](ErrorCode error) {
      if (!error) self->end(ExitCause::wall_time);
    });
    if (plan_.limits.cpu_time > Micros(0)) watch_cpu(Micros(0));
  }

  // All processes end; the first cause given is the one that counts.
  void end(ExitCause cause) {
    if (!cause_) cause_ = cause;
    if (process_.is_open()) kill_sandbox(process_.native_handle());
  }

  // Ends without a word.
  void abandon() {
    over_ = true;
    end(ExitCause::killed);
    if (process_.is_open()) reap_sandbox(process_.native_handle());
  }

 private:
  using Stream = asio::posix::stream_descriptor;
  using Bytes = std::array<char, 16 << 10>;

  template <class Take>
  void read(Stream& stream, Bytes& bytes, Take take) {
    stream.async_read_some(asio::buffer(bytes), [this, self = shared_from_this(), &stream, &bytes,
                                                 take](ErrorCode error, std::size_t size) {
      if (error) {
        stream.close();
        finish_if_over();
        return;
      }
      take(std::string_view(bytes.data(), size));
      read(stream, bytes, take);
    });
  }

  void take_output(std::string_view bytes) {
    const std::size_t room = plan_.limits.output_bytes - exit_.output.size();
    exit_.output.append(bytes.substr(0, room));
    if (bytes.size() > room) end(ExitCause::output);
  }

  // Looks again when the limit may be reached at the earliest: with all processors at work.
  void watch_cpu(Micros used) {
    static const auto processors =
        static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency()));
    const Micros left = plan_.limits.cpu_time - used;
    cpu_timer_.expires_after(std::max<Micros>(left / processors, Millis(5)));
    cpu_timer_.async_wait([self = shared_from_this()](ErrorCode error) {
      if (error) return;
      const Micros now = self->group_->cpu();
      if (now >= self->plan_.limits.cpu_time) return self->end(ExitCause::cpu_time);
      self->watch_cpu(now);
    });
  }

  void ended() {
    reap_sandbox(process_.native_handle());
    process_.close();
    exit_.usage.wall = std::chrono::duration_cast<Micros>(Clock::now() - began_);
    wall_timer_.cancel();
    cpu_timer_.cancel();
    finish_if_over();
  }

  // With the last process the writing ends of all pipes are closed.
  void finish_if_over() {
    if (process_.is_open() || out_.is_open() || err_.is_open() || report_.is_open() || over_)
      return;
    over_ = true;
    in_.close();
    exit_.log_left_out = log_.finish(exit_.log);
    exit_.usage.cpu = group_->cpu();
    exit_.usage.memory_peak_bytes = group_->memory_peak_bytes();
    tell_cause();
    group_.reset();
    done_(std::move(exit_));
  }

  void tell_cause() {
    SandboxReport report;
    const bool reported = said_.size() >= sizeof report;
    if (reported) std::memcpy(&report, said_.data(), sizeof report);
    const bool program_ended = reported && report.kind == SandboxReport::Kind::ended;
    if (program_ended) {
      exit_.usage.cpu = std::max(exit_.usage.cpu, Micros(report.cpu_micros));
      // A group's count is of all processes, and of nothing that others share.
      if (exit_.usage.memory_peak_bytes == 0)
        exit_.usage.memory_peak_bytes = report.memory_peak_bytes;
      if (WIFEXITED(report.wait_status)) exit_.code = WEXITSTATUS(report.wait_status);
      if (WIFSIGNALED(report.wait_status)) exit_.signal = WTERMSIG(report.wait_status);
    }
    const bool well = program_ended && exit_.code == 0 && exit_.signal == 0;
    if (reported && !program_ended) {
      exit_.cause = ExitCause::not_started;
      report.step[sizeof report.step - 1] = '\0';
      exit_.detail = std::string(report.step) + ": " + std::strerror(report.error);
    } else if (cause_) {
      exit_.cause = *cause_;
    } else if (!well && group_->oom_kills() > 0) {
      exit_.cause = ExitCause::out_of_memory;
    } else if (!program_ended) {
      exit_.cause = ExitCause::killed;
      exit_.detail = "somebody else ended the sandbox";
    } else if (exit_.signal == SIGXCPU) {
      exit_.cause = ExitCause::cpu_time;
    } else {
      exit_.cause = exit_.signal != 0 ? ExitCause::signalled : ExitCause::exited;
    }
  }

  SandboxPlan plan_;
  const std::string input_;
  std::unique_ptr<Cgroup> group_;
  Callback<void(SandboxExit)> done_;
  SandboxExit exit_;
  BoundedLog log_;
  std::string said_;  // on the report pipe
  std::optional<ExitCause> cause_;
  Clock::time_point began_;
  bool over_ = false;  // nothing more is said

  Stream process_;
  Stream in_;
  Stream out_;
  Stream err_;
  Stream report_;
  Stream go_;
  Bytes out_bytes_;
  Bytes err_bytes_;
  Bytes report_bytes_;
  asio::steady_timer wall_timer_;
  asio::steady_timer cpu_timer_;
};

class AsioSandboxes final : public Sandboxes {
 public:
  AsioSandboxes(asio::io_context& io, SandboxOptions options)
      : io_(io), options_(std::move(options)), tree_(CgroupTree::find()) {}
  ~AsioSandboxes() override {
    for (auto& [number, run] : runs_) run->abandon();
  }

  Result<void> prepare() {
    // A program that closes its input early is no reason for the worker to end.
    ::signal(SIGPIPE, SIG_IGN);
    for (const std::string& name : options_.unenforced) {
      if (name != "memory" && name != "processes" && name != "cpu_time") {
        return fail(Reason::invalid,
                    "unenforced: \"" + name + "\" is not one of memory, processes, cpu_time",
                    "unenforced");
      }
    }
    for (const auto& [name, enforced] :
         std::to_array<std::pair<const char*, bool>>({{"memory", tree_.memory()},
                                                      {"processes", tree_.processes()},
                                                      {"cpu_time", tree_.cpu()}})) {
      if (enforced || std::ranges::find(options_.unenforced, name) != options_.unenforced.end())
        continue;
      return fail(
          Reason::unsupported,
          std::string("the limit \"") + name +
              "\" cannot be enforced: no control group of it may be made here. Run as root, "
              "or under systemd with Delegate=yes; or accept it with --unenforced " +
              name);
    }
    auto shown = shown_files(options_.show);
    if (!shown) return fail(shown.error());
    shown_ = std::move(*shown);
    for (const bool network : {false, true}) {
      auto filter = make_seccomp_filter(network);
      if (!filter) return fail(filter.error());
      (network ? seccomp_network_ : seccomp_) = std::move(*filter);
    }
    return probe();
  }

  std::vector<std::string> enforcement() const override {
    const std::string groups(tree_.version());
    const auto by = [&](bool enforced, const char* otherwise) {
      return enforced ? groups : std::string(otherwise);
    };
    return {
        "wall time: the worker's timer",
        "CPU time: " + by(tree_.cpu(), "each process alone (RLIMIT_CPU)"),
        "memory: " + by(tree_.memory(), "nothing"),
        "processes: " + by(tree_.processes(), "nothing"),
        "open files: RLIMIT_NOFILE",
        "output: the worker's count",
        "disk: tmpfs of bounded size, the only place to write to" +
            std::string(tree_.memory() ? ", counted as memory" : ""),
        "files: a read-only root of chosen folders in a mount namespace",
        "network: a network namespace without interfaces, and no sockets but local ones (seccomp)",
        "other processes: pid, ipc and uts namespaces",
        std::string("rights: ") +
            (::geteuid() == 0 ? "a user id of its own" : "the worker's user id") +
            " in a user namespace, no capabilities, no_new_privs, a seccomp allow-list",
    };
  }

  std::uint64_t start(SandboxJob job, Callback<void(SandboxExit)> done) override {
    const std::uint64_t number = ++last_run_;
    launch(io_, number, std::move(job), std::move(done));
    return number;
  }

  void kill(std::uint64_t run) override {
    const auto at = runs_.find(run);
    if (at != runs_.end()) at->second->end(ExitCause::killed);
  }

 private:
  Result<SandboxPlan> plan_of(SandboxJob& job) const {
    SandboxPlan plan;
    if (job.command.empty()) return fail(Reason::invalid, "command: there is none", "command");
    auto program = find_program(job.command[0]);
    if (!program) return fail(program.error());
    plan.shown = shown_;
    plan.devices.assign(device_paths.begin(), device_paths.end());
    plan.seccomp = job.limits.network ? seccomp_network_ : seccomp_;
    plan.limits = job.limits;
    plan.tmp_bytes = std::to_string(job.limits.disk_bytes);
    plan.tmp_inodes = std::to_string(job.limits.disk_bytes / 4096 + 1024);
    plan.command = std::move(job.command);
    plan.command[0] = std::move(*program);
    plan.environment = std::move(job.environment);
    return plan;
  }

  void launch(asio::io_context& io, std::uint64_t number, SandboxJob job,
              Callback<void(SandboxExit)> done) {
    auto plan = plan_of(job);
    auto group = plan ? tree_.make("task-" + std::to_string(number), plan->limits)
                      : Result<std::unique_ptr<Cgroup>>(fail(plan.error()));
    if (!group) {
      SandboxExit failed;
      failed.detail = group.error().message;
      asio::post(io, [done = std::move(done), failed = std::move(failed)]() mutable {
        done(std::move(failed));
      });
      return;
    }
    const auto run =
        std::make_shared<Run>(io, std::move(*plan), std::move(job.input), std::move(*group),
                              [this, number, done = std::move(done)](SandboxExit exit) mutable {
                                // What is erased holds this very function.
                                const std::shared_ptr<Run> self = std::move(runs_.at(number));
                                runs_.erase(number);
                                done(std::move(exit));
                              });
    runs_.emplace(number, run);
    run->start(static_cast<std::uint32_t>(number));
  }

  // Whether all of it works here, told at the start and not by the first task.
  Result<void> probe() {
    asio::io_context io;
    SandboxExit exit;
    launch(io, 0, {.command = {"true"}}, [&exit](SandboxExit how) { exit = std::move(how); });
    io.run();
    if (exit.cause == ExitCause::exited && exit.code == 0) return {};
    return fail(Reason::unsupported, "no sandbox can be made here: " +
                                         std::string(to_string(exit.cause)) + ": " + exit.detail);
  }

  asio::io_context& io_;
  const SandboxOptions options_;
  const CgroupTree tree_;
  std::vector<Shown> shown_;
  std::vector<sock_filter> seccomp_;
  std::vector<sock_filter> seccomp_network_;
  std::uint64_t last_run_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Run>> runs_;
};

}  // namespace

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

Result<std::unique_ptr<Sandboxes>> Sandboxes::make(asio::io_context& io, SandboxOptions options) {
  auto sandboxes = std::make_unique<AsioSandboxes>(io, std::move(options));
  if (auto ok = sandboxes->prepare(); !ok) return fail(ok.error());
  return std::unique_ptr<Sandboxes>(std::move(sandboxes));
}

}  // namespace deferd
