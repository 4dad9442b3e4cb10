#include "client/read_models.h"

#include <array>
#include <string_view>

#include "client/values.h"

namespace deferd::inline v1::detail {
namespace {

namespace json = boost::json;

Usage read_usage(const json::value& value) {
  const Members members(value);
  return {.cpu = members.duration("cpu"),
          .wall = members.duration("wall"),
          .memory_peak = members.number("memory_peak"),
          .cause = members.text("cause"),
          .code = members.small("code"),
          .signal = members.small("signal")};
}

std::optional<Usage> given_usage(const Members& members) {
  return members.has("usage") ? std::optional(read_usage(members.at("usage"))) : std::nullopt;
}

Attempt read_attempt(const json::value& value) {
  const Members members(value);
  return {.attempt = members.number("attempt").value_or(0),
          .started = members.instant("started"),
          .duration = members.real("duration"),
          .status = members.small("status"),
          .failure = members.text("failure"),
          .error = members.text("error"),
          .worker = members.text("worker"),
          .usage = given_usage(members),
          .log = members.text("log")};
}

ResultState read_state(std::string_view text) {
  struct Name {
    std::string_view text;
    ResultState state;
  };
  static constexpr std::array<Name, 5> names = {{{"pending", ResultState::pending},
                                                 {"succeeded", ResultState::succeeded},
                                                 {"failed", ResultState::failed},
                                                 {"cancelled", ResultState::cancelled},
                                                 {"expired", ResultState::expired}}};
  for (const Name& name : names) {
    if (name.text == text) return name.state;
  }
  throw Error("the server's answer has a state that is not known: " + std::string(text));
}

}  // namespace

Queue read_queue(const json::value& value) {
  const Members members(value);
  return {.name = members.text("name"),
          .project = members.text("project"),
          .location = members.text("location"),
          .mode = members.text("mode") == "pull" ? QueueMode::pull : QueueMode::push,
          .state = members.text("state"),
          .created = members.instant("created").value_or(Instant()),
          .json = json::serialize(value)};
}

QueueStats read_stats(const json::value& value) {
  const Members members(value);
  const auto count = [&members](std::string_view name) { return members.number(name).value_or(0); };
  return {.tasks = count("tasks"),
          .bytes = count("bytes"),
          .scheduled = count("scheduled"),
          .ready = count("ready"),
          .in_flight = count("in_flight"),
          .leased = count("leased"),
          .dead = count("dead"),
          .results = count("results"),
          .oldest_ready = members.real("oldest_ready"),
          .json = json::serialize(value)};
}

Task read_task(const json::value& value) {
  const Members members(value);
  Task task{.id = members.text("id"),
            .name = members.text("name"),
            .queue = members.text("queue"),
            .state = members.text("state"),
            .priority = members.small("priority").value_or(0),
            .eta = members.instant("eta").value_or(Instant()),
            .created = members.instant("created").value_or(Instant()),
            .attempts = members.number("attempts").value_or(0),
            .url = members.text("url"),
            .method = members.text("method"),
            .key = members.given_text("key"),
            .body = members.body(),
            .lease_token = members.text("lease_token"),
            .lease_expires = members.instant("lease_expires"),
            .keep_result = members.duration("keep_result"),
            .last_status = members.small("last_status"),
            .last_failure = members.text("last_failure"),
            .worker = members.text("worker")};
  if (const json::array* const history = members.at("history").if_array()) {
    for (const json::value& attempt : *history) task.history.push_back(read_attempt(attempt));
  }
  return task;
}

DeadTask read_dead(const json::value& value) {
  const Members members(value);
  return {.task = read_task(value),
          .reason = members.text("reason"),
          .died = members.instant("died"),
          .error = members.text("error")};
}

TaskResult read_task_result(const json::value& value) {
  const Members members(value);
  const Members kept(members.at("result"));
  TaskResult result{.state = read_state(members.text("state")),
                    .queue = members.text("queue"),
                    .id = members.text("id"),
                    .name = members.text("name"),
                    .attempts = members.number("attempts").value_or(0),
                    .task_state = members.text("task_state"),
                    .last_status = members.small("last_status"),
                    .last_failure = members.text("last_failure"),
                    .created = members.instant("created"),
                    .ended = members.instant("ended"),
                    .kept_until = members.instant("kept_until"),
                    .body = kept.body(),
                    .truncated = kept.at("truncated") == json::value(true),
                    .error = members.text("error"),
                    .reason = members.text("reason"),
                    .worker = members.text("worker"),
                    .usage = given_usage(members)};
  if (const json::object* const headers = kept.at("headers").if_object()) {
    for (const auto& [name, text] : *headers) {
      if (text.is_string()) result.headers.emplace_back(name, text.as_string());
    }
  }
  return result;
}

Refusal read_refusal(const json::value& value) {
  const Members members(value);
  return {.code = members.small("code").value_or(500),
          .status = members.text("status"),
          .message = members.text("message"),
          .field = members.text("field")};
}

}  // namespace deferd::inline v1::detail
