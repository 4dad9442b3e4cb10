#include "model/outcome.h"

#include <array>

namespace deferd {
namespace {

constexpr std::uint8_t format_1 = 1;

constexpr std::array<std::string_view, exit_cause_count> causes = {
    "exited",    "signalled", "out_of_memory", "cpu_time",
    "wall_time", "output",    "killed",        "not_started"};
constexpr std::array<std::string_view, 4> states = {"succeeded", "failed", "cancelled", "expired"};
constexpr std::array<std::string_view, death_reason_count> reasons = {"none", "attempts", "age",
                                                                      "failed", "poison"};

template <class Value, std::size_t size>
std::optional<Value> find(const std::array<std::string_view, size>& names, std::string_view text) {
  for (std::size_t i = 0; i < size; ++i) {
    if (names[i] == text) return static_cast<Value>(i);
  }
  return std::nullopt;
}

void write_usage(ByteWriter& out, const std::optional<AttemptUsage>& usage) {
  out.u8(usage ? 1 : 0);
  if (!usage) return;
  out.signed_varint(usage->cpu.count());
  out.signed_varint(usage->wall.count());
  out.varint(usage->memory_peak_bytes);
  out.u8(static_cast<std::uint8_t>(usage->cause));
  out.signed_varint(usage->code);
  out.signed_varint(usage->signal);
}

std::optional<AttemptUsage> read_usage(ByteReader& in, bool& ok) {
  if (in.u8() == 0) return std::nullopt;
  AttemptUsage usage;
  usage.cpu = Micros(in.signed_varint());
  usage.wall = Micros(in.signed_varint());
  usage.memory_peak_bytes = in.varint();
  const std::uint8_t cause = in.u8();
  ok = ok && cause < exit_cause_count;
  if (ok) usage.cause = static_cast<ExitCause>(cause);
  usage.code = static_cast<std::int32_t>(in.signed_varint());
  usage.signal = static_cast<std::int32_t>(in.signed_varint());
  return usage;
}

auto damaged(const char* what) {
  return fail(Reason::internal, std::string("damaged record: ") + what);
}

}  // namespace

std::string_view to_string(ExitCause cause) { return causes[static_cast<std::size_t>(cause)]; }
std::optional<ExitCause> parse_exit_cause(std::string_view text) {
  return find<ExitCause>(causes, text);
}
std::string_view to_string(OutcomeState state) { return states[static_cast<std::size_t>(state)]; }
std::string_view to_string(DeathReason reason) { return reasons[static_cast<std::size_t>(reason)]; }
std::optional<DeathReason> parse_death_reason(std::string_view text) {
  return find<DeathReason>(reasons, text);
}

std::string encode(const AttemptRecord& record) {
  std::string bytes;
  ByteWriter out(bytes);
  out.u8(format_1);
  out.varint(record.attempt);
  out.signed_varint(to_micros(record.started));
  out.signed_varint(record.took.count());
  out.signed_varint(record.status);
  out.bytes(record.error);
  out.bytes(record.worker);
  out.bytes(record.log);
  write_usage(out, record.usage);
  return bytes;
}

Result<AttemptRecord> decode_attempt_record(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.u8() != format_1) return damaged("an attempt's format");
  AttemptRecord record;
  bool ok = true;
  record.attempt = static_cast<std::uint32_t>(in.varint());
  record.started = wall_from_micros(in.signed_varint());
  record.took = Micros(in.signed_varint());
  record.status = static_cast<std::int16_t>(in.signed_varint());
  record.error = in.bytes();
  record.worker = in.bytes();
  record.log = in.bytes();
  record.usage = read_usage(in, ok);
  if (!ok || !in.ok() || !in.at_end()) return damaged("an attempt");
  return record;
}

std::string encode(const Outcome& outcome) {
  std::string bytes;
  ByteWriter out(bytes);
  out.u8(format_1);
  out.varint(outcome.id.value);
  out.bytes(outcome.name);
  out.u8(static_cast<std::uint8_t>(outcome.state));
  out.u8(static_cast<std::uint8_t>(outcome.reason));
  out.signed_varint(to_micros(outcome.created));
  out.signed_varint(to_micros(outcome.ended));
  out.signed_varint(to_micros(outcome.kept_until));
  out.varint(outcome.attempts);
  out.signed_varint(outcome.last_status);
  out.bytes(outcome.error);
  out.bytes(outcome.worker);
  write_usage(out, outcome.usage);
  out.u8(!outcome.result ? 0 : outcome.result->truncated ? 2 : 1);
  if (outcome.result) {
    out.varint(outcome.result->headers.size());
    for (const auto& [name, value] : outcome.result->headers) {
      out.bytes(name);
      out.bytes(value);
    }
    out.bytes(outcome.result->body);
  }
  return bytes;
}

Result<Outcome> decode_outcome(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.u8() != format_1) return damaged("an outcome's format");
  Outcome outcome;
  outcome.id = TaskId{in.varint()};
  outcome.name = in.bytes();
  const std::uint8_t state = in.u8();
  const std::uint8_t reason = in.u8();
  bool ok = state < states.size() && reason < reasons.size();
  if (ok) {
    outcome.state = static_cast<OutcomeState>(state);
    outcome.reason = static_cast<DeathReason>(reason);
  }
  outcome.created = wall_from_micros(in.signed_varint());
  outcome.ended = wall_from_micros(in.signed_varint());
  outcome.kept_until = wall_from_micros(in.signed_varint());
  outcome.attempts = static_cast<std::uint32_t>(in.varint());
  outcome.last_status = static_cast<std::int16_t>(in.signed_varint());
  outcome.error = in.bytes();
  outcome.worker = in.bytes();
  outcome.usage = read_usage(in, ok);
  const std::uint8_t result = in.u8();
  ok = ok && result <= 2;
  if (result != 0) {
    ResultBody& kept = outcome.result.emplace();
    kept.truncated = result == 2;
    const std::uint64_t headers = in.varint();
    if (!in.ok() || headers > in.left() / 2) return damaged("an outcome's headers");
    for (std::uint64_t i = 0; i < headers; ++i) {
      std::string name(in.bytes());
      kept.headers.emplace_back(std::move(name), in.bytes());
    }
    kept.body = in.bytes();
  }
  if (!ok || !in.ok() || !in.at_end()) return damaged("an outcome");
  return outcome;
}

}  // namespace deferd
