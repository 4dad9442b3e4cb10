// A time zone: what its clocks show at an instant, and at which instant they show a time. The rules
// are those of the tz database of the machine (Debian's tzdata), read once and kept.
//
// Two times of a clock are not what they seem (GAE-194):
//   in spring it jumps ahead, and times between are never shown. Such a time counts from the clock
//   as it was before the jump, so it means the instant that is as much later (02:30 means what is
//   then shown as 03:30);
//   in autumn it is set back, and times are shown twice. Such a time means the second of them.
//
// Known to the tz database until 2037; later years are taken to have no summer time.
//
// Values; copies are cheap. Thread-safe.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace date {
class time_zone;
}

namespace deferd {

// What a clock on the wall shows. Does not convert to Wall or Mono.
using LocalTime = std::chrono::local_seconds;
using LocalDay = std::chrono::local_days;

class Zone {
 public:
  Zone() = default;  // UTC

  // By its name in the tz database ("Europe/Berlin"), to the letter. UTC is known without one.
  // Fails with Reason::invalid.
  static Result<Zone> find(std::string_view name);

  // What the clock shows at `wall`, without what is below a second.
  LocalTime local(Wall wall) const;

  // The instant that `local` means, by the two rules above.
  Wall instant(LocalTime local) const;

  // Only when the clock shows `local` twice: the first of the two.
  std::optional<Wall> first_of_two(LocalTime local) const;

  // Present when the clock goes evenly through the whole of `day`: then each of its times means
  // itself minus this.
  std::optional<Seconds> offset_all(LocalDay day) const;

 private:
  explicit Zone(const date::time_zone* zone) : zone_(zone) {}

  const date::time_zone* zone_ = nullptr;  // null: UTC. Lives as long as the process
};

}  // namespace deferd
