#include "api/native/parse_report.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <limits>

#include "api/http/raw_json.h"
#include "api/http/text.h"

namespace deferd::native {
namespace {

constexpr std::size_t content_type_bytes_max = 256;
constexpr std::int64_t memory_bytes_max = std::int64_t{1} << 53;  // what every JSON reader can hold
constexpr std::int64_t signal_max = 64;

// A text of at most `bytes_max`; a longer one is refused before it is copied.
std::string bounded_text(Fields& fields, std::string_view name, std::size_t bytes_max) {
  const auto text = fields.text(name);
  if (!text) return {};
  if (text->size() > bytes_max) {
    fields.refuse(name, std::string(name) + " is " + std::to_string(text->size()) +
                            " bytes; give at most " + std::to_string(bytes_max));
    return {};
  }
  return std::string(*text);
}

std::optional<AttemptUsage> parse_usage(Fields& owner, const json::value& value) {
  Fields fields(value, owner.path() + "usage.");
  AttemptUsage usage;
  usage.cpu = fields.measured("cpu").value_or(Micros(0));
  usage.wall = fields.measured("wall").value_or(Micros(0));
  usage.memory_peak_bytes =
      static_cast<std::uint64_t>(fields.integer("memory_peak", 0, memory_bytes_max).value_or(0));
  if (const auto cause = fields.text("cause")) {
    if (const auto known = parse_exit_cause(*cause)) {
      usage.cause = *known;
    } else {
      std::string all;
      for (int i = 0; i < exit_cause_count; ++i)
        all += (i == 0 ? "" : ", ") + std::string(to_string(static_cast<ExitCause>(i)));
      fields.refuse("cause", "cause is none of " + all);
    }
  }
  using Code = std::numeric_limits<std::int32_t>;
  usage.code =
      static_cast<std::int32_t>(fields.integer("code", Code::min(), Code::max()).value_or(0));
  usage.signal = static_cast<std::int32_t>(fields.integer("signal", 0, signal_max).value_or(0));
  if (auto ok = fields.finish(); !ok) owner.refuse(ok.error());
  return usage;
}

void add_content_type(Fields& fields, ResultBody& result, bool is_json) {
  const auto given = fields.text("content_type");
  if (!given && !is_json) return;
  const std::string_view type = given.value_or("application/json");
  const bool printable = std::ranges::all_of(type, [](char c) { return c >= 0x20 && c < 0x7f; });
  if (type.empty() || type.size() > content_type_bytes_max || !printable) {
    fields.refuse("content_type", "content_type is not 1 to " +
                                      std::to_string(content_type_bytes_max) +
                                      " visible ASCII characters");
    return;
  }
  result.headers.emplace_back("Content-Type", type);
}

std::optional<ResultBody> parse_result(Fields& owner, const json::value& value,
                                       std::string_view raw) {
  Fields fields(value, owner.path() + "result.");
  ResultBody result;
  const json::value* tree = fields.any("json");
  const auto text = fields.text("body");
  const auto base64 = fields.text("body_base64");
  if (int{text.has_value()} + int{tree != nullptr} + int{base64.has_value()} > 1)
    fields.refuse("body", "more than one of body, json and body_base64; give one of them");
  const auto check_size = [&fields](std::string_view name, std::size_t bytes) {
    if (bytes <= result_bytes_max) return true;
    fields.refuse({Reason::too_large,
                   "the result is " + std::to_string(bytes) + " bytes; at most " +
                       std::to_string(result_bytes_max) +
                       " are kept (keep large data elsewhere, and answer where it is)",
                   fields.path() + std::string(name), std::nullopt});
    return false;
  };
  add_content_type(fields, result, tree != nullptr);
  if (text && check_size("body", text->size())) result.body = *text;
  if (base64 && check_size("body_base64", base64->size() / 4 * 3)) {
    if (auto decoded = decode_base64(*base64)) {
      result.body = std::move(*decoded);
    } else {
      fields.refuse("body_base64", "body_base64 is not base64 (A-Z a-z 0-9 + / with = at the end)");
    }
  }
  if (tree != nullptr) {
    const std::string_view written = raw_member(raw_member(raw, "result"), "json");
    if (check_size("json", written.size()))  // empty: a key was written with an escape
      result.body = written.empty() ? json::serialize(*tree) : std::string(written);
  }
  if (auto ok = fields.finish(); !ok) owner.refuse(ok.error());
  return result;
}

}  // namespace

std::shared_ptr<AttemptReport> parse_report(Fields& item, std::string_view raw, LeaseCall call,
                                            std::string_view worker) {
  if (call == LeaseCall::renew) return nullptr;
  AttemptReport report;
  report.worker = worker;
  if (call != LeaseCall::release) {
    if (const json::value* result = item.any("result"))
      report.result = parse_result(item, *result, raw);
  }
  if (call != LeaseCall::ack) report.error = bounded_text(item, "error", attempt_error_bytes_max);
  report.log = bounded_text(item, "log", attempt_log_bytes_max);
  if (const json::value* usage = item.any("usage")) report.usage = parse_usage(item, *usage);
  if (report.worker.empty() && report.error.empty() && report.log.empty() && !report.usage &&
      !report.result) {
    return nullptr;
  }
  return std::make_shared<AttemptReport>(std::move(report));
}

std::string parse_worker(Fields& fields) {
  return bounded_text(fields, "worker", worker_name_bytes_max);
}

}  // namespace deferd::native
