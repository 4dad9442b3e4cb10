#include "cron/recurrences.h"

#include <mutex>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "cron/next.h"

namespace deferd {
namespace {

constexpr Micros look_again = Seconds(3600);

// Takes "name=value " from the front; nothing when it is not there.
std::optional<std::string_view> take(std::string_view& text, std::string_view name) {
  if (!text.starts_with(name)) return std::nullopt;
  const std::size_t space = text.find(' ');
  if (space == text.npos) return std::nullopt;
  const std::string_view value = text.substr(name.size(), space - name.size());
  text.remove_prefix(space + 1);
  return value;
}

class CronRecurrences final : public Recurrences {
 public:
  Wall next(std::string_view recurrence, Wall /*due*/, Wall ended) const override {
    const std::shared_ptr<const Recurrence> parsed = find(recurrence);
    if (!parsed) return ended + look_again;
    return next_run(parsed->schedule, parsed->zone, ended).value_or(Wall::max());
  }

  bool skips(std::string_view recurrence, Wall due, Wall now) const override {
    const std::shared_ptr<const Recurrence> parsed = find(recurrence);
    return !parsed || (parsed->missed == CronMissed::skip && now - due > missed_grace);
  }

 private:
  using Cache = std::unordered_map<std::string, std::shared_ptr<const Recurrence>>;

  std::shared_ptr<const Recurrence> find(std::string_view text) const {
    std::string key(text);
    const std::lock_guard lock(mutex_);
    if (const auto at = parsed_.find(key); at != parsed_.end()) return at->second;
    const Result<RecurrenceText> parts = RecurrenceText::parse(text);
    Result<Recurrence> made = parts ? Recurrence::make(*parts) : fail(parts.error());
    if (!made) {  // not kept: each look tells again
      log_error("cron.recurrence_unreadable",
                {{"recurrence", text}, {"error", std::string_view(made.error().message)}});
      return nullptr;
    }
    constexpr std::size_t parsed_max = 1024;  // four times the jobs of a large application
    if (parsed_.size() >= parsed_max) parsed_.clear();
    auto shared = std::make_shared<const Recurrence>(std::move(*made));
    parsed_.emplace(std::move(key), shared);
    return shared;
  }

  mutable std::mutex mutex_;
  mutable Cache parsed_;  // under mutex_
};

}  // namespace

std::string_view to_string(CronMissed missed) { return missed == CronMissed::run ? "run" : "skip"; }

Result<RecurrenceText> RecurrenceText::parse(std::string_view text) {
  const auto missed = take(text, "missed=");
  const auto zone = missed ? take(text, "zone=") : std::nullopt;
  if (!zone || (*missed != "run" && *missed != "skip")) {
    return fail(Reason::invalid,
                "a recurrence is \"missed=run|skip zone=ZONE SCHEDULE\", not this text");
  }
  return RecurrenceText{*missed == "run" ? CronMissed::run : CronMissed::skip, std::string(*zone),
                        std::string(text)};
}

std::string RecurrenceText::text() const {
  return "missed=" + std::string(to_string(missed)) + " zone=" + zone + " " + schedule;
}

Result<Recurrence> Recurrence::make(const RecurrenceText& text) {
  const Result<Zone> zone = Zone::find(text.zone);
  if (!zone) return fail(zone.error());
  Result<Schedule> schedule = parse_schedule(text.schedule);
  if (!schedule) return fail(schedule.error());
  return Recurrence{text.missed, *zone, std::move(*schedule)};
}

std::unique_ptr<Recurrences> make_cron_recurrences() { return std::make_unique<CronRecurrences>(); }

}  // namespace deferd
