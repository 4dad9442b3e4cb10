#include "sim/recurrences.h"

#include <cstdio>

#include "base/assert.h"

namespace deferd::sim {

std::string Rule::words() const {
  return "every " + std::to_string(span) + " until " + std::to_string(to_micros(last)) + " skip " +
         std::to_string(late);
}

Rule Rule::of(std::string_view words) {
  long long span = 1;
  long long last = 0;
  long long late = -1;
  const std::string text(words);
  const int parts =
      std::sscanf(text.c_str(), "every %lld until %lld skip %lld", &span, &last, &late);
  DEFERD_ASSERT(parts == 3, "recurrence", text);
  return {span, wall_from_micros(last), late};
}

Wall Rule::next(Wall ended) const {
  const Wall wall = wall_from_micros((to_micros(ended) / span + 1) * span);
  return wall > last ? Wall::max() : wall;
}

}  // namespace deferd::sim
