// The native door: the JSON API under /v1, and the pages that watch a server (/healthz, /readyz,
// /metrics, /v1/config). docs/reference/api.md describes what it says; docs/reference/openapi.yaml
// says it to programs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "api/http/http.h"
#include "auth/access.h"
#include "runtime/clock.h"
#include "runtime/runtime.h"

namespace deferd {

class Callbacks;
class CronUploads;
class QueueUploads;

// What the server says about itself. It can answer at all, so it lives; the rest is whether it can
// do its work.
struct Health {
  bool ready = true;   // adds can be made durable and acknowledged
  std::string reason;  // why not
};

struct NativeDoorOptions {
  // What the short form of a path means: /v1/queues/Q is
  // /v1/projects/{project}/locations/{location}/queues/Q.
  std::string project = "default";
  std::string location = "local";
  // Of one task: url, headers and body together, as stored.
  std::uint64_t task_bytes_max = 1 << 20;
  // The application that App Engine's tools mean when they name none; empty: `project`.
  std::string app;
  // Who may call; outlives the door. Null: authentication is off.
  const Access* access = nullptr;
  // What carries out an uploaded queue.yaml; outlives the door. Null: none is taken.
  QueueUploads* uploads = nullptr;
  // The same for cron.yaml and its jobs.
  CronUploads* cron = nullptr;

  // Called on the server's threads; must not block.
  std::function<std::string()> config_json;   // settings in force, secrets left out
  std::function<std::string()> metrics_text;  // Prometheus' text format
  std::function<Health()> health;
};

// The references outlive the door; the door outlives the HTTP server and every reply of the
// runtime.
std::unique_ptr<HttpHandler> make_native_door(NativeDoorOptions options, Runtime& runtime,
                                              const Clock& clock);

// The tasks that tell a callback_url what became of another: a POST of what GET .../result answers.
std::unique_ptr<Callbacks> make_native_callbacks();

}  // namespace deferd
