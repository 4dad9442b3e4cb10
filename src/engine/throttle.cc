#include "engine/throttle.h"

#include <algorithm>

namespace deferd {
namespace {

constexpr std::uint32_t judged_min = 10;
constexpr Nanos span_min = Seconds(1);
constexpr Nanos span_max = Seconds(60);  // what is older says nothing about now
constexpr double limit_min = 1;          // a second, so that a recovery is noticed

}  // namespace

Throttle::Change Throttle::attempt_ended(Strain strain, double own_rate, Mono now) {
  if (ended_ == 0 || now - since_ > span_max) {
    since_ = now;
    ended_ = failing_ = overloaded_ = 0;
  }
  ++ended_;
  if (strain == Strain::failing) ++failing_;
  if (strain == Strain::overloaded) ++overloaded_;
  const Nanos span = now - since_;
  if (ended_ < judged_min || span < span_min) return Change::none;

  const double really = static_cast<double>(ended_) / std::chrono::duration<double>(span).count();
  const bool too_much = overloaded_ * 10 >= ended_ || (failing_ + overloaded_) * 2 >= ended_;
  ended_ = 0;
  const double before = limit_;
  if (too_much) {
    limit_ = std::max(limit_min, std::min(limit_, really) / 2);
  } else {
    limit_ *= 1.5;
  }
  if (limit_ >= own_rate) limit_ = no_limit;
  if (limit_ == before) return Change::none;
  if (limit_ == no_limit) return Change::over;
  return limit_ < before ? Change::slower : Change::faster;
}

}  // namespace deferd
