#include "cron/zone.h"

#include <date/tz.h>

#include <exception>
#include <string>

namespace deferd {
namespace {

constexpr std::size_t name_chars_max = 100;  // GAE-spec 9.1

date::local_seconds to_date(LocalTime local) {
  return date::local_seconds(local.time_since_epoch());
}

Wall wall_at(LocalTime local, Seconds offset) { return Wall(local.time_since_epoch() - offset); }

}  // namespace

Result<Zone> Zone::find(std::string_view name) {
  if (name == "UTC") return Zone();
  const auto unknown = [name](std::string_view why) {
    return fail(Reason::invalid,
                "timezone '" + std::string(name.substr(0, name_chars_max)) + "' is unknown; " +
                    std::string(why),
                "timezone");
  };
  // "localtime" is a name there, too: that of whatever the machine is set to.
  if (name.size() > name_chars_max || name == "localtime") {
    return unknown("use a name of the tz database, like Europe/Berlin");
  }
  try {
    // Both throw: what is read here is files of the system.
    for (const date::time_zone& zone : date::get_tzdb().zones) {
      if (zone.name() != name) continue;
      zone.get_info(date::sys_seconds());  // reads its file
      return Zone(&zone);
    }
  } catch (const std::exception& error) {
    return unknown("the tz database of this machine cannot be read (install tzdata): " +
                   std::string(error.what()));
  }
  return unknown("use a name of the tz database, like Europe/Berlin");
}

LocalTime Zone::local(Wall wall) const {
  const auto seconds = std::chrono::floor<Seconds>(wall).time_since_epoch();
  if (zone_ == nullptr) return LocalTime(seconds);
  return LocalTime(seconds + zone_->get_info(date::sys_seconds(seconds)).offset);
}

Wall Zone::instant(LocalTime local) const {
  if (zone_ == nullptr) return wall_at(local, Seconds(0));
  const date::local_info info = zone_->get_info(to_date(local));
  const bool twice = info.result == date::local_info::ambiguous;
  return wall_at(local, twice ? info.second.offset : info.first.offset);
}

std::optional<Wall> Zone::first_of_two(LocalTime local) const {
  if (zone_ == nullptr) return std::nullopt;
  const date::local_info info = zone_->get_info(to_date(local));
  if (info.result != date::local_info::ambiguous) return std::nullopt;
  return wall_at(local, info.first.offset);
}

std::optional<Seconds> Zone::offset_all(LocalDay day) const {
  if (zone_ == nullptr) return Seconds(0);
  const date::local_info first = zone_->get_info(to_date(day));
  if (first.result != date::local_info::unique) return std::nullopt;
  const date::local_info last = zone_->get_info(to_date(day + std::chrono::days(1) - Seconds(1)));
  if (last.result != date::local_info::unique) return std::nullopt;
  if (first.first.begin != last.first.begin) return std::nullopt;
  return first.first.offset;
}

}  // namespace deferd
