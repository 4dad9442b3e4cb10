// How calls ended, as Google's metric api/request_count tells (CT-spec 12). Transports count, since
// some calls end before there is a request to carry out; each takes its counters when it is made.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string_view>
#include <vector>

#include "api/cloudtasks/cloudtasks.h"

namespace deferd::cloudtasks {

// Of one method by one transport. Any thread.
class CallCounter {
 public:
  CallCounter(std::string_view transport, std::string_view service, std::string_view method)
      : transport_(transport), service_(service), method_(method) {}

  // A call ended with this google.rpc.Code.
  void add(int code);

 private:
  friend class CallCounts;
  static constexpr std::size_t codes = 17;

  const std::string_view transport_;
  const std::string_view service_;
  const std::string_view method_;
  std::array<std::atomic<std::uint64_t>, codes> by_code_{};
};

class CallCounts {
 public:
  // Lives as long as this, and is the same for the same names, which live as long too.
  CallCounter& counter(std::string_view transport, std::string_view service,
                       std::string_view method);
  // Those that are not 0.
  std::vector<CallCount> read() const;

 private:
  mutable std::mutex mutex_;
  std::deque<CallCounter> counters_;  // under mutex_, but for what is in them
};

}  // namespace deferd::cloudtasks
