// DEFERD_ASSERT: a check of our own mistakes, on in release builds too: a wrong scheduler is worse
// than a stopped one. A peer, a file, a client or a full disk must never be able to trip one; those
// are errors (base/result.h).
//
//   DEFERD_ASSERT(now >= ready_at());
//   DEFERD_ASSERT(in_flight_ >= 0, "queue", name, "in_flight", in_flight_);   // values are printed
#pragma once

#include <sstream>
#include <string>

namespace deferd {

// Prints the condition, the place, the values and what set_assert_context() gave; then aborts.
[[noreturn]] void assert_failed(const char* condition, const char* file, int line,
                                const std::string& values);

// A thread may say what it is doing (a shard gives its last commands); called only when an
// assertion fails.
using AssertContext = std::string (*)(const void* owner);
void set_assert_context(AssertContext print, const void* owner);

template <class... Values>
std::string assert_values(const Values&... values) {
  std::ostringstream out;
  ((out << ' ' << values), ...);
  return std::move(out).str();
}

}  // namespace deferd

#define DEFERD_ASSERT(condition, ...)                                \
  do {                                                               \
    if (!(condition)) [[unlikely]] {                                 \
      ::deferd::assert_failed(#condition, __FILE__, __LINE__,        \
                              ::deferd::assert_values(__VA_ARGS__)); \
    }                                                                \
  } while (false)
