// How the methods of the service are called over HTTP (CT-spec 4 to 6): data, beside the one table
// of methods.
#pragma once

#include <span>
#include <string_view>

namespace deferd::cloudtasks::rest {

struct Rule {
  std::string_view http_method;
  // Of the words of a path a "{field=...}" goes into a field of the request; `*` is one word. After
  // the last word a verb may follow: ":pause".
  std::string_view path;
  // What the body is: "*", the request; a field of it; empty: there is none; or one of those below.
  std::string_view body;
  std::string_view method;  // "PauseQueue"
};
// The request, with members that are no fields of it.
constexpr std::string_view lenient_body = "*?";
// Bytes, which with the headers are a BufferTaskRequest.
constexpr std::string_view raw_body = "raw";

// Rules of one service, under prefixes: "/v2"; empty: paths without a version.
struct Rules {
  std::span<const std::string_view> prefixes;
  std::string_view service;
  std::span<const Rule> rules;  // those of methods that the service has not do not count
};

std::span<const Rules> all_rules();

}  // namespace deferd::cloudtasks::rest
