// Sandboxes that wait for tasks (sandbox.h), and the tasks that wait for sandboxes.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <deque>
#include <map>
#include <span>
#include <utility>

#include "base/log.h"
#include "base/unix_file.h"
#include "worker/keeper_link.h"
#include "worker/keeper_process.h"
#include "worker/pipe.h"
#include "worker/sandbox.h"
#include "worker/sandbox_kit.h"
#include "worker/sandbox_root.h"
#include "worker/sandbox_run.h"
#include "worker/template_link.h"
#include "worker/warm_wire.h"
#include "worker/wire_bytes.h"

namespace deferd {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

constexpr Micros pause = Seconds(1);  // when a keeper or a sandbox could not be made

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

class WaitingSandboxes final : public Sandboxes, KeeperListener, TemplateListener {
 public:
  WaitingSandboxes(asio::io_context& io, SandboxKit kit, SandboxOptions options)
      : io_(io),
        kit_(std::move(kit)),
        options_(std::move(options)),
        keeper_(io, *this),
        template_(io, keeper_, hello(), options_.load_time, *this),
        keeper_again_(io),
        places_again_(io) {
    // Some more than run at once, so that the next ones are made while those run.
    places_.resize(options_.concurrency + std::min(options_.concurrency, 16U));
  }
  ~WaitingSandboxes() override {
    for (auto& [number, run] : runs_) run->abandon();
    keeper_.end();  // or groups of places are not empty
    for (Place& place : places_) forget(place);
  }

  Result<void> prepare() {
    if (auto ok = allow_open_files(); !ok) return ok;
    auto plan = write_keeper_plan(options_, kit_.plan(options_.limits));
    if (!plan) return fail(plan.error());
    keeper_plan_ = std::move(*plan);
    if (auto ok = start_keeper(); !ok) return ok;
    // The first sandbox is made before any task comes: what the system has not is told at the
    // start.
    keeper_.await_answer();
    if (std::ranges::any_of(places_, [](const Place& place) { return place.process.pidfd >= 0; }))
      return {};
    return fail(Reason::unsupported, "no sandbox can be made here: " + keeper_.fault());
  }

  std::vector<std::string> enforcement() const override {
    auto lines = kit_.enforcement();
    if (options_.warm) {
      lines.emplace_back(
          "warm handler: loaded in a sandbox with the limits of a task; each task in a fork of it");
    }
    return lines;
  }

  bool ready() const override { return template_.is_loaded(); }

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
    // First processes of sandboxes, and helpers that enter them, are counted here too; one takes a
    // quarter of this, the most of it in the kernel.
    constexpr std::uint64_t place_bytes = 1 << 20;
    Limits limits = options_.limits;
    limits.processes += static_cast<std::uint32_t>(2 * places_.size() + sandboxes_going_max + 8);
    limits.memory_bytes += place_bytes * places_.size();
    auto group = kit_.tree.make("keeper-" + std::to_string(keepers_++), limits);
    if (!group) return fail(group.error());
    if (auto ok = keeper_.start(kit_.plan(limits), std::move(*group), limits.network, keeper_plan_);
        !ok)
      return ok;
    fill_places();
    template_.start();
    return {};
  }

  void keeper_ended() override {
    const bool was_loaded = template_.drop();
    template_ended(was_loaded, "the handler's sandbox ended");
    processes_.clear();
    ends_.clear();
    for (Place& place : places_) {
      if (place.state != Place::State::busy) forget(place);
    }
    start_keeper_again();
  }
  void start_keeper_again() {
    keeper_again_.expires_after(pause);
    keeper_again_.async_wait([this](ErrorCode error) {
      if (error) return;
      auto ok = start_keeper();
      if (ok) return;
      log_error("keeper.failed", {{"error", ok.error().message}});
      start_keeper_again();
    });
  }

  void sandbox_made(std::uint32_t number, int pidfd) override {
    Place& place = places_.at(number);
    if (pidfd < 0) {
      place.state = Place::State::empty;
      return not_made(keeper_.fault());
    }
    place.process.pidfd = pidfd;
    place.state = Place::State::made;
    fill_places();
  }

  // The template tells which process is which fork; either may be heard first.
  void process_ended(std::int32_t process, const TaskEnd& end) override {
    ends_.insert_or_assign(process, end);
    const auto fork = processes_.find(process);
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

  // ---- Template

  std::vector<std::byte> hello() const {
    WarmHello head;
    head.limits = warm_limits(options_.limits);
    head.network = options_.limits.network ? 1 : 0;
    head.filter_size = static_cast<std::uint32_t>(kit_.seccomp.size());
    std::vector<std::byte> text;
    for (const auto& part : {bytes_of(head), std::as_bytes(std::span(kit_.seccomp))})
      text.insert(text.end(), part.begin(), part.end());
    return text;
  }

  void template_made(int pidfd) override { template_.made(pidfd); }
  void template_loaded() override { fill_places(); }

  void forked(std::uint64_t order, std::int32_t process) override {
    if (Place* const place = place_of(order)) place->forked = true;
    processes_.insert_or_assign(process, order);
    match(process, order);
    fill_places();
  }
  void not_forked(std::uint64_t order, const std::string& why) override {
    Place* const place = place_of(order);
    if (place == nullptr) return;
    if (place->state == Place::State::busy)
      return runs_.at(place->run)->end(ExitCause::not_started, why);
    abandon(*place);
    not_made(why);
  }

  // What it was given and has not begun will not begin; nor what waits for one that cannot load.
  // Its forks that have no task yet are not used.
  void template_ended(bool was_loaded, const std::string& why) override {
    if (!was_loaded) {
      for (auto& [number, job] : std::exchange(waiting_, {})) not_started(std::move(job.done), why);
    }
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
      const bool makes = place.state == Place::State::empty && keeper_.is_open();
      const bool forks = place.state == Place::State::made && template_.is_loaded();
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
    auto ok = keeper_.make_sandbox(static_cast<std::uint32_t>(&place - places_.data()));
    if (ok) place.state = Place::State::making;
    return ok;
  }

  Result<void> fork_into(Place& place) {
    Pipe in;
    Pipe out;
    Pipe err;
    Pipe tell;
    if (!in.ok() || !out.ok() || !err.ok() || !tell.ok())
      return system_error("cannot make pipes", errno);
    std::vector<int> descriptors = {place.process.pidfd, in.read(), out.write(), err.write(),
                                    tell.write()};
    descriptors.insert(descriptors.end(), place.entrances.begin(), place.entrances.end());
    place.fork = ++last_fork_;
    if (auto ok = template_.fork(place.fork, descriptors); !ok) return ok;
    place.process.in = in.take_write();
    place.process.out = out.take_read();
    place.process.err = err.take_read();
    place.process.tell = tell.take_read();
    place.forked = false;
    place.state = Place::State::waiting;
    return {};
  }

  // Tried again in a while, with all that are not ready.
  void not_made(const std::string& why) {
    log_error("sandbox.failed", {{"error", why}});
    places_rest_ = true;
    places_again_.expires_after(pause);
    places_again_.async_wait([this](ErrorCode error) {
      if (error) return;
      places_rest_ = false;
      fill_places();
    });
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
    while (template_.is_loaded() && !waiting_.empty()) {
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
  std::string keeper_plan_;
  KeeperLink keeper_;
  TemplateLink template_;
  asio::steady_timer keeper_again_;
  std::uint64_t keepers_ = 0;

  std::vector<Place> places_;
  asio::steady_timer places_again_;
  bool places_rest_ = false;  // until that timer
  std::uint64_t groups_ = 0;

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
  auto sandboxes = std::make_unique<WaitingSandboxes>(io, std::move(*kit), std::move(options));
  if (auto ok = sandboxes->prepare(); !ok) return fail(ok.error());
  return std::unique_ptr<Sandboxes>(std::move(sandboxes));
}

}  // namespace deferd
