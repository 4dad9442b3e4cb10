#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <mutex>
#include <utility>

#include "server/queue_metrics.h"

namespace deferd {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Registry;

double seconds(Nanos duration) { return static_cast<double>(duration.count()) / 1e9; }

// A counter that is kept elsewhere: moves ours to its value.
void follow(Counter& counter, std::uint64_t value) {
  const double ahead = static_cast<double>(value) - counter.Value();
  if (ahead > 0) counter.Increment(ahead);
}

}  // namespace

struct Metrics::Families {
  Registry registry;

  Counter& counter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
  }
  Gauge& gauge(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
  }
  Histogram& histogram(const char* name, const char* help, Histogram::BucketBoundaries bounds) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add(
        {}, std::move(bounds));
  }

  // From 50 us (a disk with a cache that survives power cuts) to 3 s (one that is about to die).
  Histogram& fsync =
      histogram("deferd_commit_fsync_seconds", "Time of a durable write, its fsync included",
                {50e-6, 100e-6, 200e-6, 400e-6, 800e-6, 1.6e-3, 3.2e-3, 6.4e-3, 12.8e-3, 25e-3,
                 50e-3, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2});
  Histogram& packing =
      histogram("deferd_commit_packing_seconds", "Time to turn batches into records",
                {10e-6, 50e-6, 100e-6, 500e-6, 1e-3, 5e-3, 10e-3, 50e-3, 0.1});
  Histogram& batch_tasks =
      histogram("deferd_commit_tasks", "Tasks put, moved or finished by one commit",
                {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000});
  Counter& commits_durable = counter("deferd_commits_durable_total", "Commits with an fsync");
  Counter& commits_riding =
      counter("deferd_commits_riding_total", "Commits of completions alone, without an fsync");
  Counter& commits_failed = counter("deferd_commits_failed_total",
                                    "Commits that failed; nothing is acknowledged after one");
  Counter& commit_bytes = counter("deferd_commit_bytes_total", "Bytes given to the store");

  Counter& commands = counter("deferd_commands_total", "Calls that reached the engine");
  Counter& commands_refused =
      counter("deferd_commands_refused_total", "Calls refused because too much was waiting");
  Gauge& waiting_bytes = gauge("deferd_waiting_bytes", "Bytes taken in and not yet durable");
  Gauge& queues = gauge("deferd_queues", "Queues there are");
  Gauge& store_failed =
      gauge("deferd_store_failed", "1 after a commit failed: a restart is needed");

  Gauge& connections = gauge("deferd_http_connections", "Connections of callers, open now");
  Counter& connections_total = counter("deferd_http_connections_total", "Connections accepted");
  Counter& connections_refused =
      counter("deferd_http_connections_refused_total", "Connections over connections_max");
  Counter& handshakes_failed = counter("deferd_tls_handshakes_failed_total",
                                       "Connections that never came to speak TLS with us");
  Gauge& certificate_end = gauge("deferd_tls_certificate_not_after_seconds",
                                 "When the server's certificate ends, since 1970; 0: no TLS");
  Counter& requests = counter("deferd_http_requests_total", "Requests that arrived whole");
  Counter& requests_refused =
      counter("deferd_http_requests_refused_total", "Requests malformed, too large or too slow");

  Family<Counter>& push_family = prometheus::BuildCounter()
                                     .Name("deferd_push_attempts_total")
                                     .Help("Push attempts by outcome")
                                     .Register(registry);
  Counter& push_ok = push_family.Add({{"outcome", "2xx"}});
  Counter& push_other = push_family.Add({{"outcome", "other_status"}});
  Counter& push_timeout = push_family.Add({{"outcome", "timeout"}});
  Counter& push_unreachable = push_family.Add({{"outcome", "unreachable"}});
  Counter& push_refused = push_family.Add({{"outcome", "refused"}});
  Counter& push_cancelled = push_family.Add({{"outcome", "cancelled"}});
  Gauge& push_connections = gauge("deferd_push_connections", "Connections to targets, open now");
  Gauge& push_waiting = gauge("deferd_push_waiting", "Attempts that wait for a connection");

  std::mutex mutex;
  std::shared_ptr<const SeenQueues> of_queues = std::make_shared<SeenQueues>();  // under mutex
};

Metrics::Metrics() : families_(std::make_unique<Families>()) {}
Metrics::~Metrics() = default;

void Metrics::committed(const CommitReport& report) {
  Families& to = *families_;
  if (report.failed) {
    to.commits_failed.Increment();
    return;
  }
  (report.durable ? to.commits_durable : to.commits_riding).Increment();
  if (report.durable) to.fsync.Observe(seconds(report.writing));
  to.packing.Observe(seconds(report.packing));
  to.batch_tasks.Observe(report.tasks);
  to.commit_bytes.Increment(static_cast<double>(report.bytes));
}

void Metrics::observe(const RuntimeStats& runtime, const HttpStats& http, const PushStats& push) {
  Families& to = *families_;
  follow(to.commands, runtime.commands);
  follow(to.commands_refused, runtime.refused);
  to.waiting_bytes.Set(static_cast<double>(runtime.waiting_bytes));
  to.queues.Set(static_cast<double>(runtime.queues));
  to.store_failed.Set(runtime.store_failed ? 1 : 0);
  to.connections.Set(static_cast<double>(http.connections));
  follow(to.connections_total, http.connections_total);
  follow(to.connections_refused, http.connections_refused);
  follow(to.handshakes_failed, http.handshakes_failed);
  to.certificate_end.Set(
      static_cast<double>(http.certificate_not_after.time_since_epoch() / Seconds(1)));
  follow(to.requests, http.requests_total);
  follow(to.requests_refused, http.requests_refused);
  follow(to.push_ok, push.answered_2xx);
  follow(to.push_other, push.answered_other);
  follow(to.push_timeout, push.timed_out);
  follow(to.push_unreachable, push.unreachable);
  follow(to.push_refused, push.refused);
  follow(to.push_cancelled, push.cancelled);
  to.push_connections.Set(static_cast<double>(push.connections));
  to.push_waiting.Set(static_cast<double>(push.waiting));
}

void Metrics::observe_queues(SeenQueues queues) {
  auto seen = std::make_shared<const SeenQueues>(std::move(queues));
  const std::scoped_lock lock(families_->mutex);
  families_->of_queues.swap(seen);
}

std::string Metrics::text(const std::vector<CallCount>& calls) const {
  const auto queues = [this] {
    const std::scoped_lock lock(families_->mutex);
    return families_->of_queues;
  }();
  std::vector<prometheus::MetricFamily> all = families_->registry.Collect();
  std::ranges::move(queue_metrics(*queues), std::back_inserter(all));
  all.push_back(call_metrics(calls));
  return prometheus::TextSerializer().Serialize(all);
}

}  // namespace deferd
