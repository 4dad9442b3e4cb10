#include "worker/task_report.h"

#include <openssl/evp.h>

#include <boost/json/parse.hpp>
#include <utility>

#include "config/server_config.h"
#include "model/duration_text.h"
#include "worker/utf8.h"

namespace deferd {
namespace {

namespace json = boost::json;

std::string to_base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

bool is_json(std::string_view text) {
  boost::system::error_code error;
  (void)json::parse(text, error);
  return !error;
}

json::object result_of(const SandboxExit& exit) {
  json::object result;
  const std::string_view body = std::string_view(exit.output).substr(0, result_bytes_max);
  const bool text = is_utf8(body);
  if (!exit.content_type.empty()) {
    result["content_type"] = to_text(exit.content_type, 200);
  } else if (text) {
    result["content_type"] = is_json(body) ? "application/json" : "text/plain; charset=utf-8";
  } else {
    result["content_type"] = "application/octet-stream";
  }
  if (text) {
    result["body"] = body;
  } else {
    result["body_base64"] = to_base64(body);
  }
  return result;
}

json::object usage_of(const SandboxExit& exit) {
  json::object usage;
  usage["cpu"] = format_duration(exit.usage.cpu);
  usage["wall"] = format_duration(exit.usage.wall);
  usage["memory_peak"] = exit.usage.memory_peak_bytes;
  usage["cause"] = to_string(exit.cause);
  if (exit.cause == ExitCause::exited) usage["code"] = exit.code;
  if (exit.cause == ExitCause::signalled) usage["signal"] = exit.signal;
  return usage;
}

json::object item_of(const LeasedTask& task) {
  return {{"id", task.id}, {"lease_token", task.token}};
}

}  // namespace

std::string describe(const SandboxExit& exit, const Limits& limits) {
  switch (exit.cause) {
    case ExitCause::exited:
      return "exit code " + std::to_string(exit.code);
    case ExitCause::signalled:
      return "killed by signal " + std::to_string(exit.signal);
    case ExitCause::out_of_memory:
      return "out of memory (limit " + format_bytes(limits.memory_bytes) + ")";
    case ExitCause::cpu_time:
      return "out of CPU time (limit " + format_duration(limits.cpu_time) + ")";
    case ExitCause::wall_time:
      return "out of time (limit " + format_duration(limits.wall_time) + ")";
    case ExitCause::output:
      return "too much output (limit " + format_bytes(limits.output_bytes) + ")";
    case ExitCause::killed:
      return "ended by the worker";
    case ExitCause::not_started:
      break;
  }
  return "not started: " + exit.detail;
}

TaskReport make_report(const LeasedTask& task, const SandboxExit& exit, const Limits& limits,
                       int never_again_code) {
  TaskReport report;
  report.item = item_of(task);
  const bool exited = exit.cause == ExitCause::exited;
  if (exited && exit.code == 0) {
    report.verb = TaskReport::Verb::ack;
  } else {
    report.verb = exited && exit.code == never_again_code ? TaskReport::Verb::fail
                                                          : TaskReport::Verb::release;
    report.item["error"] =
        to_text(exit.error.empty() ? describe(exit, limits) : exit.error, error_text_max);
  }
  if (report.verb == TaskReport::Verb::release && exited) report.delay = exit.retry_after;
  if (task.keep_result && report.verb != TaskReport::Verb::release)
    report.item["result"] = result_of(exit);
  if (!exit.log.empty()) report.item["log"] = to_text(exit.log, log_text_max);
  report.item["usage"] = usage_of(exit);
  return report;
}

TaskReport give_back(const LeasedTask& task) { return {TaskReport::Verb::release, item_of(task)}; }

}  // namespace deferd
