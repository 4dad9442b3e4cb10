#include "worker/sandbox.h"

#include <map>
#include <utility>

#include "worker/sandbox_kit.h"
#include "worker/sandbox_process.h"
#include "worker/sandbox_root.h"
#include "worker/sandbox_run.h"

namespace deferd {
namespace {

namespace asio = boost::asio;

class AsioSandboxes final : public Sandboxes {
 public:
  AsioSandboxes(asio::io_context& io, SandboxKit kit) : io_(io), kit_(std::move(kit)) {}
  ~AsioSandboxes() override {
    for (auto& [number, run] : runs_) run->abandon();
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

  std::vector<std::string> enforcement() const override { return kit_.enforcement(); }

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
    if (job.command.empty()) return fail(Reason::invalid, "command: there is none", "command");
    auto program = find_program(job.command[0]);
    if (!program) return fail(program.error());
    SandboxPlan plan = kit_.plan(job.limits);
    plan.command = std::move(job.command);
    plan.command[0] = std::move(*program);
    plan.environment = std::move(job.environment);
    return plan;
  }

  void launch(asio::io_context& io, std::uint64_t number, SandboxJob job,
              Callback<void(SandboxExit)> done) {
    auto plan = plan_of(job);
    auto group = plan ? kit_.tree.make("task-" + std::to_string(number), plan->limits)
                      : Result<std::unique_ptr<Cgroup>>(fail(plan.error()));
    const std::shared_ptr<Cgroup> counted = group ? std::move(*group) : nullptr;
    const auto run = std::make_shared<SandboxRun>(
        io, job.limits, counted, [this, number, done = std::move(done)](SandboxExit exit) mutable {
          // What is erased holds this very function.
          const std::shared_ptr<SandboxRun> self = std::move(runs_.at(number));
          runs_.erase(number);
          done(std::move(exit));
        });
    runs_.emplace(number, run);
    if (!group) return run->fail(group.error().message);
    plan->lay_out();
    auto process = make_sandbox_process(*plan, *counted, static_cast<std::uint32_t>(number));
    if (!process) return run->fail(process.error().message);
    run->begin(*process, std::move(job.input));
  }

  asio::io_context& io_;
  const SandboxKit kit_;
  std::uint64_t last_run_ = 0;
  std::map<std::uint64_t, std::shared_ptr<SandboxRun>> runs_;
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

Result<std::unique_ptr<Sandboxes>> Sandboxes::make(asio::io_context& io,
                                                   const SandboxOptions& options) {
  auto kit = SandboxKit::make(options);
  if (!kit) return fail(kit.error());
  auto sandboxes = std::make_unique<AsioSandboxes>(io, std::move(*kit));
  if (auto ok = sandboxes->probe(); !ok) return fail(ok.error());
  return std::unique_ptr<Sandboxes>(std::move(sandboxes));
}

}  // namespace deferd
