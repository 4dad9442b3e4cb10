// Numbers that mean different things and must not mix: a TaskId compares, hashes, prints; it does
// not add.
#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <ostream>

namespace deferd {

template <class Value, class Tag>
struct Named {
  Value value{};

  friend constexpr auto operator<=>(const Named&, const Named&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Named& named) {
    return out << named.value;
  }
  friend std::size_t hash_value(const Named& named) { return std::hash<Value>{}(named.value); }
};

}  // namespace deferd

template <class Value, class Tag>
struct std::hash<deferd::Named<Value, Tag>> {
  std::size_t operator()(const deferd::Named<Value, Tag>& named) const {
    return std::hash<Value>{}(named.value);
  }
};
