// When a schedule runs next, in a zone. What the clock does in spring and autumn is decided here
// (GAE-194, docs/guides/cron.md):
//   days and times of the clock   run once a day that they name: at the shifted time when theirs is
//                                 not shown, at the second when it is shown twice
//   "*" hours of a crontab        run whenever the clock shows a minute of theirs
//   synchronized and from..to     are even in time that passes, from local midnight or `from` on
//   plain intervals               know no clock
#pragma once

#include <optional>

#include "base/time.h"
#include "cron/schedule.h"
#include "cron/zone.h"

namespace deferd {

// The first run strictly later than `after`, at a full minute of the clock. Of a plain interval:
// that which follows when a run ended at `after`, seconds cut off (GAE-spec 9.4). Nothing: never
// again, or not before the year 9000. Bounded work: at most some five hundred months are looked at.
std::optional<Wall> next_run(const Schedule& schedule, const Zone& zone, Wall after);

}  // namespace deferd
