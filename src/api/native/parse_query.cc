#include <charconv>

#include "api/http/text.h"
#include "api/native/requests.h"
#include "model/duration_text.h"

namespace deferd::native {
namespace {

constexpr TaskState states[task_state_count] = {TaskState::scheduled, TaskState::ready,
                                                TaskState::in_flight, TaskState::leased};

tl::unexpected<Error> bad(std::string message, std::string_view field) {
  return fail(Reason::invalid, std::move(message), std::string(field));
}

}  // namespace

std::string_view to_string(TaskState state) {
  switch (state) {
    case TaskState::scheduled:
      return "scheduled";
    case TaskState::ready:
      return "ready";
    case TaskState::in_flight:
      return "in_flight";
    case TaskState::leased:
      return "leased";
  }
  return "scheduled";
}

Result<PageQuery> parse_page_query(std::string_view query, PageQueryKnows knows) {
  PageQuery page;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == query.npos ? std::string_view() : query.substr(end + 1);
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    const auto name = decode_percent(pair.substr(0, equals), true);
    const auto value = equals == pair.npos ? std::optional<std::string>("")
                                           : decode_percent(pair.substr(equals + 1), true);
    if (!name || !value)
      return bad("the query has a % that is not followed by two hexadecimal digits", "query");
    if (*name == "page_size" && knows.page) {
      std::uint32_t size = 0;
      const auto [stop, error] =
          std::from_chars(value->data(), value->data() + value->size(), size);
      if (error != std::errc() || stop != value->data() + value->size() || size < 1 ||
          size > list_tasks_max) {
        return bad("page_size is not a whole number from 1 to " + std::to_string(list_tasks_max),
                   "page_size");
      }
      page.page_size = size;
    } else if (*name == "page_token" && knows.page) {
      page.page_token = *value;
    } else if (*name == "state" && knows.state) {
      page.state.reset();
      for (const TaskState state : states) {
        if (to_string(state) == *value) page.state = state;
      }
      if (!page.state)
        return bad("state is none of scheduled, ready, in_flight and leased", "state");
    } else if (*name == "view" && knows.view) {
      if (*value != "full" && *value != "basic")
        return bad("view is none of basic and full", "view");
      page.full = *value == "full";
    } else if (*name == "plan" && knows.plan) {
      if (*value != "true" && *value != "false")
        return bad("plan is none of true and false", "plan");
      page.plan = *value == "true";
    } else if (*name == "wait" && knows.result) {
      auto wait = parse_duration(*value);
      if (!wait) return bad(wait.error().message, "wait");
      if (*wait < Micros(0) || *wait > outcome_wait_max) {
        return bad("wait is " + format_duration(*wait) + "; give a duration from 0s to " +
                       format_duration(outcome_wait_max),
                   "wait");
      }
      page.wait = *wait;
    } else if (*name == "history" && knows.result) {
      if (*value != "true" && *value != "false")
        return bad("history is none of true and false", "history");
      page.history = *value == "true";
    } else if (auto is_filter = knows.dead ? set_filter(page.dead, *name, *value) : false;
               !is_filter || *is_filter) {
      if (!is_filter) return fail(is_filter.error());
    } else if (*name == "key") {
      // Whose call it is (api/http/credentials.h).
    } else if (knows.app) {
      if (*name == "appId" || *name == "app_id") page.app = *value;
    } else {
      std::string known;
      if (knows.page) known += " page_size, page_token";
      if (knows.state) known += std::string(known.empty() ? "" : ",") + " state";
      if (knows.view) known += std::string(known.empty() ? "" : ",") + " view";
      if (knows.plan) known += " plan";
      if (knows.result) known += " wait, history";
      if (knows.dead) known += ", reason, status, failure, key, name, since, until";
      const std::string shown = name->substr(0, 60);
      return bad("unknown query parameter \"" + (is_utf8(shown) ? shown : std::string("...")) +
                     "\"; " + (known.empty() ? "this call takes none" : "known are" + known),
                 is_utf8(shown) ? shown : std::string("query"));
    }
  }
  return page;
}

}  // namespace deferd::native
