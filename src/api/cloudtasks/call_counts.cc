#include "api/cloudtasks/call_counts.h"

#include <google/rpc/code.pb.h>

#include "api/cloudtasks/attempt_status.h"
#include "api/cloudtasks/service.h"

namespace deferd {

std::vector<CallCount> call_counts(const cloudtasks::Service& service) {
  return service.call_counts.read();
}

std::string_view response_code(std::int16_t status) {
  return cloudtasks::code_word(cloudtasks::attempt_code(status));
}

}  // namespace deferd

namespace deferd::cloudtasks {

void CallCounter::add(int code) {
  const auto at = static_cast<std::size_t>(code);
  by_code_[at < codes ? at : google::rpc::UNKNOWN].fetch_add(1, std::memory_order_relaxed);
}

CallCounter& CallCounts::counter(std::string_view transport, std::string_view service,
                                 std::string_view method) {
  const std::scoped_lock lock(mutex_);
  for (CallCounter& each : counters_) {
    if (each.transport_ == transport && each.service_ == service && each.method_ == method)
      return each;
  }
  return counters_.emplace_back(transport, service, method);
}

std::vector<CallCount> CallCounts::read() const {
  const std::scoped_lock lock(mutex_);
  std::vector<CallCount> found;
  for (const CallCounter& each : counters_) {
    for (std::size_t code = 0; code < CallCounter::codes; ++code) {
      const std::uint64_t count = each.by_code_[code].load(std::memory_order_relaxed);
      if (count == 0) continue;
      found.push_back(
          {each.transport_, each.service_, each.method_, code_word(static_cast<int>(code)), count});
    }
  }
  return found;
}

}  // namespace deferd::cloudtasks
