#include "api/appengine/task_headers.h"

#include "base/header_text.h"
#include "base/text.h"

namespace deferd::appengine {
namespace {

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
  if (!is_header_name(name) || !is_header_value(value)) return HeaderFate::refused;
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
