// The worker's side of a keeper (keeper_main.cc): starts it, gives it orders, hears its answers.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "worker/cgroups.h"
#include "worker/sandbox.h"
#include "worker/sandbox_plan.h"
#include "worker/sandbox_run.h"
#include "worker/warm_wire.h"

namespace deferd {

// What is heard; pidfds are the listener's to close.
class KeeperListener {
 public:
  // pidfd < 0: it is not, and KeeperLink::fault() says why.
  virtual void sandbox_made(std::uint32_t place, int pidfd) = 0;
  virtual void template_made(int pidfd) = 0;
  // A task's process, by its number in the keeper's pid namespace.
  virtual void process_ended(std::int32_t process, const TaskEnd& end) = 0;
  // And with it all that it made.
  virtual void keeper_ended() = 0;

 protected:
  ~KeeperListener() = default;
};

// As the wire has them.
WarmLimits warm_limits(const Limits& limits);
// The file that a keeper begins with (warm_wire.h).
Result<std::string> write_keeper_plan(const SandboxOptions& options, const SandboxPlan& root);

class KeeperLink {
 public:
  KeeperLink(boost::asio::io_context& io, KeeperListener& listener);
  ~KeeperLink() { end(); }
  KeeperLink(const KeeperLink&) = delete;
  KeeperLink& operator=(const KeeperLink&) = delete;

  // Also again, when one has ended. `group` is where it and what it makes is counted.
  Result<void> start(const SandboxPlan& root, std::unique_ptr<Cgroup> group, bool network,
                     const std::string& plan);
  // It and all that it made; nothing is heard of that. For the end of the worker.
  void end();
  bool is_open() const { return socket_.is_open(); }

  Result<void> make_sandbox(std::uint32_t place);
  // `control`: its end of the socket; `log`: the writing end of its log.
  Result<void> start_template(int control, int log);

  // Blocks until there is an answer, for half a minute at most, and passes it on.
  void await_answer();
  // Why it, or what was ordered last, failed.
  std::string fault() const;

 private:
  void listen();
  bool take_answers();

  KeeperListener& listener_;
  boost::asio::posix::stream_descriptor process_;
  boost::asio::posix::stream_descriptor socket_;
  std::unique_ptr<Cgroup> group_;
  int report_ = -1;
  int go_ = -1;
  std::string fault_;  // the last one that it told
};

}  // namespace deferd
