// The headers of App Engine, as its handlers know them (GAE-spec 6.1 and 6.3). All frameworks
// compare names without case; the spelling is that of Google's documents.
#include <openssl/evp.h>

#include <array>

#include "base/assert.h"
#include "dispatch/door_headers.h"

namespace deferd {
namespace {

// Handlers of deferred libraries believe a request only when it comes from this address, which no
// outside caller of App Engine could have.
constexpr std::string_view task_user_ip = "0.1.0.2";
// The queue of cron jobs; no door lets a caller add to it under this row.
constexpr std::string_view cron_queue = "__cron";

bool is_cron(const Attempt& attempt) { return attempt.queue->queue == cron_queue; }

// All of them are ours to say, but the two that carry an application's own namespace. A caller's
// X-Google-* and X-CloudTasks-* would be believed as well as ours (GAE-140, GAE-141).
bool drops(std::string_view name, const AppEngineHeaderOptions& options) {
  if (name.starts_with("x-appengine-")) {
    return name != "x-appengine-current-namespace" && name != "x-appengine-default-namespace";
  }
  if (name == "x-forwarded-for") return options.forwarded_for;
  return name == "referer" || name.starts_with("x-google-") || name.starts_with("x-cloudtasks-") ||
         name.starts_with("x-deferd-") || name.starts_with("proxy-");
}

// The due time of a firing stays the same over its retries, though the task's ETA moves.
Wall firing_due(const Task& task) {
  return task.progress.run_due != Wall{} ? task.progress.run_due : task.place.eta;
}

// App Engine names each firing of a job by 32 hex digits: here a hash of the job and the time that
// it is due, so that a handler can tell a retry from the next firing.
std::string firing_name(const Attempt& attempt) {
  const Task& task = attempt.task;
  std::string text = attempt.queue->path() + "/" + to_string(task.id) + "@" +
                     std::to_string(to_micros(firing_due(task)));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  const int made =
      EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  DEFERD_ASSERT(made == 1 && size >= 16);
  std::string name;
  constexpr std::string_view hex = "0123456789abcdef";
  for (std::size_t i = 0; i < 16; ++i) {
    name.push_back(hex[digest[i] >> 4]);
    name.push_back(hex[digest[i] & 15]);
  }
  return name;
}

void append(const HeadFacts& facts, HeaderLines& lines) {
  DEFERD_ASSERT(facts.app != nullptr);
  const Attempt& attempt = facts.attempt;
  const Task& task = attempt.task;
  const Progress& progress = task.progress;
  const bool cron = is_cron(attempt);
  const std::string_view user_ip =
      cron ? std::string_view(facts.options.cron_user_ip) : task_user_ip;

  lines.add("X-AppEngine-QueueName", attempt.queue->queue);
  if (cron) {
    lines.add("X-AppEngine-Cron", "true");
    lines.add("X-AppEngine-TaskName", firing_name(attempt));
  } else if (task.name().empty()) {
    lines.add("X-AppEngine-TaskName", to_string(task.id));
  } else {
    lines.add("X-AppEngine-TaskName", task.name());
  }
  lines.add("X-AppEngine-TaskRetryCount", progress.attempts);
  lines.add("X-AppEngine-TaskExecutionCount", progress.responses);
  std::string eta = epoch_seconds(task.place.eta);
  if (facts.options.eta_whole_seconds) eta.resize(eta.find('.'));
  lines.add("X-AppEngine-TaskETA", eta);
  if (progress.attempts > 0) {
    // 0: the attempt before this one got no answer.
    const int status = progress.last_status > 0 ? progress.last_status : 0;
    lines.add("X-AppEngine-TaskPreviousResponse", static_cast<std::uint64_t>(status));
    // 503 is how App Engine says that it has no instance (GAE-spec 6.2).
    lines.add("X-AppEngine-TaskRetryReason",
              status == 0 || status == 503 ? "Instance Unavailable" : "App Error");
  }
  lines.add("X-AppEngine-User-IP", user_ip);
  lines.add("X-AppEngine-API-Ticket", facts.app->ticket);
  lines.add("X-AppEngine-Default-Version-Hostname", facts.app->hostname);
  lines.add("X-AppEngine-HTTPS", facts.target.tls ? "on" : "off");
  lines.add("X-AppEngine-Country", "ZZ");
  lines.add("X-AppEngine-Timeout-Ms",
            static_cast<std::uint64_t>(std::chrono::ceil<Millis>(attempt.timeout).count()));
  lines.add("X-AppEngine-Request-Log-Id", facts.app->log_id);
  lines.add("X-Google-Internal-SkipAdminCheck", "true");
  if (facts.options.forwarded_for) lines.add("X-Forwarded-For", user_ip);
}

}  // namespace

constinit const DoorHeaders appengine_headers{
    .user_agent = "AppEngine-Google; (+http://code.google.com/appengine)",
    .adds_user_agent = true,
    .content_type = "application/octet-stream",
    .drops = drops,
    .append = append,
};

}  // namespace deferd
