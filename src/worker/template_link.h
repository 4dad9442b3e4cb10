// The worker's side of a template: the loaded program of a warm handler, or the launcher
// (warm/launcher.h), which forks into sandboxes. One that ends is started again after a pause,
// which grows.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "worker/keeper_link.h"

namespace deferd {

class TemplateListener {
 public:
  virtual void template_loaded() = 0;
  // By the order's number; `process` is its number in the keeper's pid namespace.
  virtual void forked(std::uint64_t order, std::int32_t process) = 0;
  virtual void not_forked(std::uint64_t order, const std::string& why) = 0;
  virtual void template_ended(bool was_loaded, const std::string& why) = 0;

 protected:
  ~TemplateListener() = default;
};

class TemplateLink {
 public:
  // `hello`: a WarmHello and its filter. `load_time`: from its start until it takes orders.
  TemplateLink(boost::asio::io_context& io, KeeperLink& keeper, std::vector<std::byte> hello,
               Micros load_time, TemplateListener& listener);

  void start();
  // The keeper's answer to that.
  void made(int pidfd);
  // It is needed no more, and is not started again. Says whether it was loaded.
  bool drop();

  bool is_loaded() const { return loaded_; }
  // `descriptors` as WarmOrder has them.
  Result<void> fork(std::uint64_t order, std::span<const int> descriptors);

 private:
  void listen();
  bool take_answers();
  void take_loaded();
  void read_log();
  void start_again(const std::string& why);

  KeeperLink& keeper_;
  const std::vector<std::byte> hello_;
  const Micros load_time_;
  TemplateListener& listener_;
  boost::asio::posix::stream_descriptor process_;
  boost::asio::posix::stream_descriptor control_;
  boost::asio::posix::stream_descriptor log_;
  std::array<char, 4096> log_room_;
  std::size_t log_bytes_ = 0;
  boost::asio::steady_timer again_;
  boost::asio::steady_timer load_timer_;
  Micros pause_;
  bool loaded_ = false;
};

}  // namespace deferd
