// When recurring tasks of a run are due: a rule small enough that the checker can tell, from
// outside, which times are right. In words: "every SPAN until LAST skip LATE", all in microseconds;
// LATE -1: nothing is skipped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/recurrences.h"

namespace deferd::sim {

struct Rule {
  std::int64_t span = 1;
  Wall last{};  // no time lies after this
  std::int64_t late = -1;

  std::string words() const;
  static Rule of(std::string_view words);

  // The first multiple of `span` after `ended`; max: there is none any more.
  Wall next(Wall ended) const;
  bool skips(Wall due, Wall now) const { return late >= 0 && now - due >= Micros(late); }
  bool is_time(Wall wall) const { return to_micros(wall) % span == 0 && wall <= last; }
};

class ScriptedRecurrences final : public Recurrences {
 public:
  Wall next(std::string_view recurrence, Wall, Wall ended) const override {
    return Rule::of(recurrence).next(ended);
  }
  bool skips(std::string_view recurrence, Wall due, Wall now) const override {
    return Rule::of(recurrence).skips(due, now);
  }
};

}  // namespace deferd::sim
