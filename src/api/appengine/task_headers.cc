#include "api/appengine/task_headers.h"

#include <algorithm>

#include "base/text.h"

namespace deferd::appengine {
namespace {

bool is_token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_sendable(char c) {
  return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

// Namespaces of the datastore: an application that has several tenants depends on them.
constexpr std::string_view namespaces[] = {"X-AppEngine-Current-Namespace",
                                           "X-AppEngine-Default-Namespace"};

constexpr std::string_view dropped_prefixes[] = {"X-AppEngine-", "X-Google-", "X-CloudTasks-",
                                                 "X-Deferd-", "Proxy-"};
constexpr std::string_view dropped_names[] = {"Connection", "Content-Length",    "Expect",
                                              "Keep-Alive", "Referer",           "TE",
                                              "Trailer",    "Transfer-Encoding", "Upgrade"};

}  // namespace

HeaderFate fate_of(std::string_view name, std::string_view value) {
  if (name.empty() || !std::ranges::all_of(name, is_token_char) ||
      !std::ranges::all_of(value, is_sendable)) {
    return HeaderFate::refused;
  }
  for (const std::string_view kept : namespaces) {
    if (equal_ignoring_case(name, kept)) return HeaderFate::kept;
  }
  for (const std::string_view prefix : dropped_prefixes) {
    if (starts_ignoring_case(name, prefix)) return HeaderFate::dropped;
  }
  for (const std::string_view dropped : dropped_names) {
    if (equal_ignoring_case(name, dropped)) return HeaderFate::dropped;
  }
  return HeaderFate::kept;
}

}  // namespace deferd::appengine
