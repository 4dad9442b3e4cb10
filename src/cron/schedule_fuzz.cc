// Any text as a schedule, in a zone that its first byte picks: the parser may not crash, and what
// it takes must run strictly later, again and again, or never.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "cron/next.h"
#include "cron/recurrences.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deferd;
  static const std::array zones = {Zone(), Zone::find("America/New_York").value_or(Zone()),
                                   Zone::find("Australia/Lord_Howe").value_or(Zone()),
                                   Zone::find("America/Nuuk").value_or(Zone())};
  if (size == 0) return 0;
  const Zone& zone = zones[data[0] % zones.size()];
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto parts = RecurrenceText::parse(text);
  if (parts && parts->text() != text) std::abort();
  const auto schedule = parse_schedule(text);
  if (!schedule) {
    if (schedule.error().message.empty()) std::abort();
    return 0;
  }
  Wall last = wall_from_micros(1'772'323'650'000'000);  // 2026-03-01T00:07:30
  for (int run = 0; run < 30; ++run) {
    const auto next = next_run(*schedule, zone, last);
    if (!next) break;
    if (*next <= last) std::abort();
    last = *next;
  }
  return 0;
}
