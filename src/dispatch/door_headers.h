// What a target is told about its task. The names of these headers are a matter of the door that
// the task came through: a handler written for one service finds that service's headers. A new door
// is one more row of the table.
#pragma once

#include <string>
#include <string_view>

#include "engine/dispatcher.h"
#include "model/push_request.h"
#include "model/target_url.h"

namespace deferd {

// What an operator may choose about App Engine's headers.
struct AppEngineHeaderOptions {
  bool forwarded_for = true;       // X-Forwarded-For with the address that App Engine pushed from
  bool eta_whole_seconds = false;  // TaskETA without a fraction, which Go's SDK cannot read
  std::string cron_user_ip = "0.1.0.1";
};

// What a push to an application has beside its attempt. Made when the push arrives.
struct AppPush {
  std::string host;      // the Host header
  std::string hostname;  // the application's default hostname
  std::string ticket;    // with which the handler may call back; secret
  std::string log_id;    // of this push alone, in hex
};

// All that a head is made of.
struct HeadFacts {
  const Attempt& attempt;
  const PushRequestView& request;
  const TargetUrl& target;
  const AppPush* app;  // null unless is_app_push(request)
  const AppEngineHeaderOptions& options;
  // Sent in place of the task's own Authorization; empty: that one is. Secret.
  std::string_view authorization = {};
};

// Appends "Name: value\r\n" lines.
class HeaderLines {
 public:
  explicit HeaderLines(std::string& out) : out_(out) {}
  void add(std::string_view name, std::string_view value) {
    out_.append(name).append(": ").append(value).append("\r\n");
  }
  void add(std::string_view name, std::uint64_t value);

 private:
  std::string& out_;
};

struct DoorHeaders {
  std::string_view user_agent;    // sent unless the task has one and the door lets it (drops)
  bool adds_user_agent;           // behind the task's own
  std::string_view content_type;  // of a body whose type the task does not say; empty: none is sent
  // Whether a header of the task, by its lower-case name, is left out because the door sends its
  // own or none. Headers of the connection (request_head.h) are left out before this is asked.
  bool (*drops)(std::string_view lower_name, const AppEngineHeaderOptions& options);
  void (*append)(const HeadFacts& facts, HeaderLines& lines);
};

const DoorHeaders& door_headers(const PushRequestView& request);

// Whether this goes out as App Engine's: all tasks of its door, and Cloud Tasks' with a relative
// URL (GAE-226).
bool is_app_push(const PushRequestView& request);

// Rows of the table that have files of their own: door_headers_appengine.cc,
// door_headers_cloudtasks.cc.
extern const DoorHeaders appengine_headers;
extern const DoorHeaders cloudtasks_headers;

// Seconds since 1970 with all six decimals, so that equal instants are equal texts. What lies
// before is 0.
std::string epoch_seconds(Wall instant);

}  // namespace deferd
