#include <charconv>

#include "api/native/failure_words.h"
#include "api/native/json_fields.h"
#include "api/native/requests.h"
#include "model/time_text.h"

namespace deferd::native {
namespace {

constexpr int status_low = 100;
constexpr int status_high = 999;

constexpr std::string_view text_filters[] = {"reason", "failure", "key", "name", "since", "until"};

Result<void> set_last_status(DeadFilter& filter, std::string_view name, std::int16_t status) {
  if (filter.last_status) {
    return fail(Reason::invalid, "both status and failure are given; give one of them",
                std::string(name));
  }
  filter.last_status = status;
  return {};
}

Result<void> set_instant(std::optional<Wall>& instant, std::string_view text) {
  auto parsed = parse_time(text);
  if (!parsed) return fail(parsed.error());
  instant = *parsed;
  return {};
}

Result<void> set_text_filter(DeadFilter& filter, std::string_view name, std::string_view text) {
  if (name == "key") {
    filter.key = text;
  } else if (name == "name") {
    filter.name = text;
  } else if (name == "since") {
    return set_instant(filter.since, text);
  } else if (name == "until") {
    return set_instant(filter.until, text);
  } else if (name == "reason") {
    filter.reason = parse_death_reason(text);
    if (!filter.reason || *filter.reason == DeathReason::none)
      return fail(Reason::invalid, "reason is none of attempts, age, failed and poison");
  } else {
    const auto status = parse_failure(text);
    if (!status) {
      return fail(Reason::invalid,
                  "failure is none of timeout, unreachable, refused, lease_expired, released, "
                  "cancelled and failed");
    }
    return set_last_status(filter, name, *status);
  }
  return {};
}

bool is_text_filter(std::string_view name) {
  for (const std::string_view each : text_filters) {
    if (each == name) return true;
  }
  return false;
}

}  // namespace

Result<bool> set_filter(DeadFilter& filter, std::string_view name, std::string_view text) {
  Result<void> set;
  if (name == "status") {
    int status = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), status);
    if (error != std::errc() || end != text.data() + text.size() || status < status_low ||
        status > status_high) {
      return fail(Reason::invalid, "status is not an HTTP status", "status");
    }
    set = set_last_status(filter, name, static_cast<std::int16_t>(status));
  } else if (is_text_filter(name)) {
    set = set_text_filter(filter, name, text);
  } else {
    return false;
  }
  if (!set) return fail(set.error().reason, set.error().message, std::string(name));
  return true;
}

Result<BulkRequest> parse_bulk(std::string_view body) {
  JsonDocument document;
  if (auto ok = document.parse(body); !ok) return fail(ok.error());
  Fields fields(document.root(), "");
  BulkRequest request;
  for (const std::string_view name : text_filters) {
    const auto text = fields.text(name);
    if (!text) continue;
    if (auto ok = set_text_filter(request.filter, name, *text); !ok)
      fields.refuse_as(name, ok.error());
  }
  if (const auto status = fields.integer("status", status_low, status_high)) {
    if (auto ok = set_last_status(request.filter, "status", static_cast<std::int16_t>(*status));
        !ok) {
      fields.refuse(ok.error());
    }
  }
  request.plan = fields.flag("plan").value_or(false);
  if (auto ok = fields.finish(); !ok) return fail(ok.error());
  return request;
}

std::string dead_token_text(const Place& place) {
  return std::to_string(to_micros(place.eta)) + "-" + std::to_string(place.order);
}

std::optional<Place> parse_dead_token(std::string_view text) {
  std::int64_t eta = 0;
  std::uint64_t order = 0;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, eta);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '-') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, order);
  if (second.ec != std::errc() || second.ptr != end) return std::nullopt;
  return Place{dead_lane, wall_from_micros(eta), order};
}

}  // namespace deferd::native
