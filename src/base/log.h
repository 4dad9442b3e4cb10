// Log lines: one JSON object an event on standard error, with a level, an event name and fields. No
// payloads, no secrets: what a caller sent is named, never printed.
//
//   log_info("server.started", {{"listen", address}, {"queues", queue_count}});
//   {"ts":"2026-11-24T22:35:02.123456Z","level":"info","event":"server.started","listen":"127.0.0.1:8123","queues":3}
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <type_traits>
#include <variant>

namespace deferd {

enum class LogLevel : std::uint8_t { debug, info, warn, error, off };

struct LogField {
  std::string_view name;
  std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool> value;

  LogField(std::string_view n, std::string_view v) : name(n), value(v) {}
  LogField(std::string_view n, const char* v) : name(n), value(std::string_view(v)) {}
  template <class Number>
    requires std::is_arithmetic_v<Number>
  LogField(std::string_view n, Number v) : name(n), value(widest(v)) {}

 private:
  template <class Number>
  static auto widest(Number v) {
    if constexpr (std::is_same_v<Number, bool>) {
      return v;
    } else if constexpr (std::is_floating_point_v<Number>) {
      return static_cast<double>(v);
    } else if constexpr (std::is_signed_v<Number>) {
      return static_cast<std::int64_t>(v);
    } else {
      return static_cast<std::uint64_t>(v);
    }
  }
};

// Thread-safe; may be called at any time. Until the first call the level is info.
void set_log_level(LogLevel level);
bool log_enabled(LogLevel level);

void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

inline void log_debug(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::debug, event, fields);
}
inline void log_info(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::info, event, fields);
}
inline void log_warn(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::warn, event, fields);
}
inline void log_error(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::error, event, fields);
}

}  // namespace deferd
