#include "engine/token_bucket.h"

#include <algorithm>
#include <limits>

#include "base/assert.h"

namespace deferd {
namespace {
// No product of an interval and a burst may pass this, so that adding it to an instant cannot
// overflow.
constexpr Nanos span_max = std::chrono::duration_cast<Nanos>(duration_max);

Nanos product(Nanos interval, std::int64_t count) {
  if (count > 0 && interval.count() > span_max.count() / count) return span_max;
  return interval * count;
}
}  // namespace

TokenBucket::TokenBucket(const Rate& rate, std::int64_t burst, Mono now) : full_at_(now) {
  set(rate, burst);
}

void TokenBucket::set(const Rate& rate, std::int64_t burst) {
  DEFERD_ASSERT(burst >= 1);
  burst_ = burst;
  stopped_ = !rate.unlimited && rate.count == 0;
  if (rate.unlimited || stopped_) {
    interval_ = Nanos(0);
  } else {
    // count thousandths every period: one token every period * 1000 / count.
    __extension__ using Wide = __int128;
    const Wide period = static_cast<Wide>(rate.period.count()) * 1000 * 1000;  // ns times 1000
    const Wide interval = (period + rate.count - 1) / rate.count;
    interval_ = interval > span_max.count() ? span_max : Nanos(static_cast<std::int64_t>(interval));
  }
  slack_ = product(interval_, burst - 1);
}

Mono TokenBucket::ready_at() const {
  if (stopped_) return Mono::max();
  return full_at_ - slack_;
}

void TokenBucket::take(Mono now) {
  DEFERD_ASSERT(now >= ready_at());
  full_at_ = std::max(full_at_, now) + interval_;
}

std::int64_t TokenBucket::missing(Mono now) const {
  if (stopped_) return stopped_missing_;
  if (interval_ == Nanos(0) || full_at_ <= now) return 0;
  const std::int64_t whole = (full_at_ - now + interval_ - Nanos(1)) / interval_;
  return std::min(whole, burst_);
}

void TokenBucket::change(const Rate& rate, std::int64_t burst, Mono now) {
  const std::int64_t tokens_left = std::min(burst_ - missing(now), burst);
  set(rate, burst);
  const std::int64_t gone = burst - tokens_left;
  stopped_missing_ = gone;
  full_at_ = now + product(interval_, gone);
}

double TokenBucket::tokens(Mono now) const {
  if (stopped_) return static_cast<double>(burst_ - stopped_missing_);
  if (interval_ == Nanos(0)) return std::numeric_limits<double>::infinity();
  if (full_at_ <= now) return static_cast<double>(burst_);
  const double gone =
      static_cast<double>((full_at_ - now).count()) / static_cast<double>(interval_.count());
  return std::max(0.0, static_cast<double>(burst_) - gone);
}

}  // namespace deferd
