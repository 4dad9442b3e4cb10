#include <boost/json/array.hpp>
#include <charconv>

#include "api/http/raw_json.h"
#include "api/native/json_fields.h"
#include "api/native/parse_report.h"
#include "api/native/requests.h"

namespace deferd::native {

Result<LeaseRequest> parse_lease(std::string_view body) {
  JsonDocument document;
  if (auto ok = document.parse(body); !ok) return fail(ok.error());
  Fields fields(document.root(), "");
  LeaseRequest request;
  if (const auto most = fields.integer("max", 1, batch_tasks_max)) {
    request.tasks_max = static_cast<std::uint32_t>(*most);
  }
  request.duration = fields.duration("lease", lease_min, lease_max).value_or(request.duration);
  if (const auto key = fields.text("key")) {
    if (key->size() > task_key_bytes_max) {
      fields.refuse("key", "key is " + std::to_string(key->size()) +
                               " bytes; no task has one above " +
                               std::to_string(task_key_bytes_max));
    }
    request.by = LeaseTasks::By::key;
    request.key = *key;
  }
  if (fields.flag("oldest_key").value_or(false)) {
    if (request.by == LeaseTasks::By::key) {
      fields.refuse("oldest_key", "both key and oldest_key are given; give one of them");
    }
    request.by = LeaseTasks::By::oldest_key;
  }
  request.wait = fields.duration("wait", Micros(0), lease_wait_max).value_or(request.wait);
  request.worker = parse_worker(fields);
  if (auto ok = fields.finish(); !ok) return fail(ok.error());
  return request;
}

Result<LeasesRequest> parse_leases(std::string_view body, LeaseCall call) {
  JsonDocument document;
  if (auto ok = document.parse(body); !ok) return fail(ok.error());
  Fields fields(document.root(), "");
  LeasesRequest request;
  const json::array* tasks = fields.array("tasks");
  if (tasks == nullptr) {
    fields.refuse("tasks", "tasks is missing; give an array of {\"id\",\"lease_token\"}");
  } else if (tasks->empty() || tasks->size() > batch_tasks_max) {
    fields.refuse("tasks", "tasks has " + std::to_string(tasks->size()) + " elements; give 1 to " +
                               std::to_string(batch_tasks_max));
  }
  const std::string worker = call == LeaseCall::renew ? std::string() : parse_worker(fields);
  if (call == LeaseCall::renew) request.lease = fields.duration("lease", lease_min, lease_max);
  if (call == LeaseCall::release) request.delay = fields.duration("delay", Micros(0), eta_horizon);
  if (auto ok = fields.finish(); !ok) return fail(ok.error());

  request.leases.reserve(tasks->size());
  RawElements elements(raw_member(document.text(), "tasks"));
  for (std::size_t i = 0; i < tasks->size(); ++i) {
    Fields item((*tasks)[i], "tasks[" + std::to_string(i) + "].");
    Lease lease;
    const auto id = item.text("id");
    const auto token = item.text("lease_token");
    if (!id) {
      item.refuse("id", "id is missing; give the task's id, as :lease answered it");
    } else if (auto ref = parse_task_ref(*id)) {
      lease.task = std::move(*ref);
    } else {
      item.refuse_as("id", ref.error());
    }
    if (!token) {
      item.refuse("lease_token", "lease_token is missing; give it as :lease answered it");
    } else if (const auto number = parse_lease_token(*token)) {
      lease.token = *number;
    } else {
      item.refuse("lease_token",
                  "lease_token is not 16 hexadecimal digits; give it as :lease answered it");
    }
    lease.report = parse_report(item, elements.next(), call, worker);
    if (auto ok = item.finish(); !ok) return fail(ok.error());
    request.leases.push_back(std::move(lease));
  }
  return request;
}

Result<void> parse_nothing(std::string_view body) {
  JsonDocument document;
  if (auto ok = document.parse(body); !ok) return fail(ok.error());
  return Fields(document.root(), "").finish();
}

std::string lease_token_text(std::uint64_t token) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t i = text.size(); i-- > 0; token >>= 4) text[i] = hex[token & 15];
  return text;
}

std::optional<std::uint64_t> parse_lease_token(std::string_view text) {
  std::uint64_t token = 0;
  if (text.size() != 16) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), token, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return token;
}

}  // namespace deferd::native
