#include "api/native/failure_words.h"

#include "model/task.h"

namespace deferd::native {
namespace {

struct Word {
  std::int16_t status;
  std::string_view word;
};
constexpr Word words[] = {
    {status_timeout, "timeout"},   {status_unreachable, "unreachable"},
    {status_refused, "refused"},   {status_lease_expired, "lease_expired"},
    {status_released, "released"}, {status_cancelled, "cancelled"},
    {status_failed, "failed"},
};

}  // namespace

std::string_view failure_word(std::int16_t status) {
  for (const Word& each : words) {
    if (each.status == status) return each.word;
  }
  return "unknown";
}

std::optional<std::int16_t> parse_failure(std::string_view word) {
  for (const Word& each : words) {
    if (each.word == word) return each.status;
  }
  return std::nullopt;
}

}  // namespace deferd::native
