// The App Engine door: what App Engine's own SDKs speak, unmodified (GAE-spec 1 to 5). POST
// /rpc_http takes their API calls in an envelope of protocol buffers; /remote_api serves Java's
// remote tools with the same calls.
//
// An application and its queue Q are projects/APPLICATION/locations/LOCATION/queues/Q, so every
// other door sees the same queues and tasks.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "api/http/http.h"
#include "auth/access.h"
#include "base/result.h"
#include "base/time.h"
#include "runtime/clock.h"
#include "runtime/runtime.h"

namespace deferd {

struct AppEngineDoorOptions {
  // Tasks of a transaction of the datastore, which deferd has no part in (GAE-spec 5.4).
  enum class Transactional : std::uint8_t {
    reject,     // refused, with a text that says why
    immediate,  // added at once, as if there were no transaction; the log warns
  };

  std::string default_app = "default";  // of a call that tells of none
  std::string location = "local";

  // App Engine's own limits (100 KiB a push task, 30 days ahead, 500 a second) instead of ours.
  bool strict = false;
  // A queue that an add names and that is not there is made, as push or pull as the task says.
  bool auto_create_queues = false;
  Transactional transactional_tasks = Transactional::reject;
  std::uint64_t task_bytes_max = 1 << 20;  // url, headers and body of one task together
  // How long an attempt may take in a queue that this door makes, unless the task says.
  Micros attempt_timeout = std::chrono::minutes(10);
  // How long the name of a deleted queue stays taken.
  Micros queue_tombstone = std::chrono::hours(24 * 7);

  // Who may call: by the ticket (the envelope's request_id), unless HTTP has other credentials.
  // Outlives the door. Null: authentication is off, and everybody may do everything.
  const Access* access = nullptr;
  // What tells, without authentication, which application a ticket is of. Outlives the door. Null:
  // every call without an app_id is of the default one.
  const Tickets* tickets = nullptr;
};

// Whether a request is this door's: /rpc_http and /remote_api.
bool is_appengine_path(std::string_view path);

// The references outlive the door; the door outlives the HTTP server and every reply of the
// runtime.
std::unique_ptr<HttpHandler> make_appengine_door(AppEngineDoorOptions options, Runtime& runtime,
                                                 const Clock& clock);

}  // namespace deferd
