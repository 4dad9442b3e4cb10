#include "base/result.h"

namespace deferd {

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::invalid:
      return "invalid";
    case Reason::too_large:
      return "too_large";
    case Reason::queue_missing:
      return "queue_missing";
    case Reason::queue_mode:
      return "queue_mode";
    case Reason::task_missing:
      return "task_missing";
    case Reason::queue_gone:
      return "queue_gone";
    case Reason::queue_paused:
      return "queue_paused";
    case Reason::task_gone:
      return "task_gone";
    case Reason::project_full:
      return "project_full";
    case Reason::outcome_not_kept:
      return "outcome_not_kept";
    case Reason::task_name_taken:
      return "task_name_taken";
    case Reason::task_name_recent:
      return "task_name_recent";
    case Reason::queue_full_tasks:
      return "queue_full_tasks";
    case Reason::queue_full_bytes:
      return "queue_full_bytes";
    case Reason::lease_lost:
      return "lease_lost";
    case Reason::overloaded:
      return "overloaded";
    case Reason::store_failed:
      return "store_failed";
    case Reason::stopping:
      return "stopping";
    case Reason::not_found:
      return "not_found";
    case Reason::unsupported:
      return "unsupported";
    case Reason::unauthenticated:
      return "unauthenticated";
    case Reason::forbidden:
      return "forbidden";
    case Reason::unavailable:
      return "unavailable";
    case Reason::timeout:
      return "timeout";
    case Reason::internal:
      return "internal";
  }
  return "internal";
}

}  // namespace deferd
