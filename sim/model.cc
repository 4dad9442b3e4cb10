#include "sim/model.h"

#include <algorithm>

namespace deferd::sim {

std::string ModelTask::callback_queue() const {
  if (!given.options || given.options->callback_url.empty()) return {};
  if (!given.options->callback_queue.empty()) return given.options->callback_queue;
  return queue->settings.mode == QueueMode::push ? queue->name.queue : "default";
}

// count thousandths of a token every period: a nanosecond drains `count` units when a token is
// period[us] * 1e6 units.
static std::int64_t units_of(const Rate& rate) { return rate.period.count() * 1'000'000; }

void ModelBucket::reset(const Rate& rate, std::int64_t burst, Mono now) {
  rate_ = rate;
  burst_ = burst;
  token_ = units_of(rate);
  level_ = 0;
  at_ = now;
}

void ModelBucket::drain(Mono now) {
  if (rate_.unlimited) {
    level_ = 0;
  } else {
    const Wide drained = static_cast<Wide>(rate_.count) * (now - at_).count();
    level_ = level_ > drained ? level_ - drained : 0;
  }
  at_ = now;
}

void ModelBucket::change(const Rate& rate, std::int64_t burst, Mono now) {
  drain(now);
  // What the bucket holds stays, clipped to the new burst; in units of the new token, parts rounded
  // in our favour.
  const Wide token = units_of(rate);
  const Wide left = (static_cast<Wide>(burst_) * token_ - level_) * token / token_ + 1;
  const Wide full = static_cast<Wide>(burst) * token;
  level_ = full - std::min(full, left);
  rate_ = rate;
  burst_ = burst;
  token_ = token;
}

bool ModelBucket::surely_has_token(Mono now) const {
  if (rate_.unlimited) return true;
  if (rate_.count == 0 || now - at_ < Micros(1)) return false;
  const Wide drained = static_cast<Wide>(rate_.count) * (now - Micros(1) - at_).count();
  const Wide level = level_ > drained ? level_ - drained : 0;
  return level + token_ <= static_cast<Wide>(burst_) * token_;
}

bool ModelBucket::take(Mono now) {
  if (!rate_.unlimited && rate_.count == 0) return false;
  drain(now);
  if (rate_.unlimited) return true;
  level_ += token_;
  return level_ <= static_cast<Wide>(burst_) * token_;
}

}  // namespace deferd::sim
