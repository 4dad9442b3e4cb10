// What a target is told about its task. The names of these headers are a matter of the door that
// the task came through: a handler written for one service finds that service's headers. A new door
// is one more row of the table.
#pragma once

#include <string>
#include <string_view>

#include "engine/dispatcher.h"
#include "model/push_request.h"

namespace deferd {

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
  std::string_view user_agent;  // sent unless the task has one and the door lets it (drops)
  // Whether a header of the task, by its lower-case name, is left out because the door sends its
  // own or none. Headers of the connection (request_head.h) are left out before this is asked.
  bool (*drops)(std::string_view lower_name);
  void (*append)(const Attempt& attempt, HeaderLines& lines);
};

const DoorHeaders& door_headers(Door door);

}  // namespace deferd
