#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>

namespace deferd {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Registry;

double seconds(Nanos duration) { return static_cast<double>(duration.count()) / 1e9; }
double seconds(Micros duration) { return static_cast<double>(duration.count()) / 1e6; }

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

  Family<Gauge>& tasks = prometheus::BuildGauge()
                             .Name("deferd_queue_tasks")
                             .Help("Live tasks by state")
                             .Register(registry);
  Family<Gauge>& bytes = prometheus::BuildGauge()
                             .Name("deferd_queue_bytes")
                             .Help("Bytes of live tasks")
                             .Register(registry);
  Family<Gauge>& oldest = prometheus::BuildGauge()
                              .Name("deferd_queue_oldest_ready_seconds")
                              .Help("How long the task that is due longest has been due")
                              .Register(registry);
  Family<Gauge>& delay = prometheus::BuildGauge()
                             .Name("deferd_queue_delay_seconds")
                             .Help("From due to dispatched, over the last half to whole hour")
                             .Register(registry);
  Family<Gauge>& execution = prometheus::BuildGauge()
                                 .Name("deferd_queue_execution_seconds")
                                 .Help("How long attempts took, over the last half to whole hour")
                                 .Register(registry);
  Family<Gauge>& totals =
      prometheus::BuildGauge()
          .Name("deferd_queue_events")
          .Help(
              "Tasks added, completed, dropped, cancelled, dead, poisoned, and attempts executed, "
              "failed, since the start")
          .Register(registry);
  Family<Gauge>& kept = prometheus::BuildGauge()
                            .Name("deferd_queue_kept")
                            .Help("Dead letters and results that are kept")
                            .Register(registry);
  Family<Gauge>& kept_bytes = prometheus::BuildGauge()
                                  .Name("deferd_queue_kept_bytes")
                                  .Help("Bytes of dead letters and results that are kept")
                                  .Register(registry);
  Family<Gauge>& used = prometheus::BuildGauge()
                            .Name("deferd_queue_used_seconds")
                            .Help("What workers reported of their attempts, since the start")
                            .Register(registry);
  Family<Gauge>& memory_peak = prometheus::BuildGauge()
                                   .Name("deferd_queue_memory_peak_bytes")
                                   .Help("The most that a worker reported of one attempt")
                                   .Register(registry);
  Family<Gauge>& exits = prometheus::BuildGauge()
                             .Name("deferd_queue_exits")
                             .Help("How attempts ended, as workers reported, since the start")
                             .Register(registry);
  struct OfQueue {
    std::vector<std::pair<Family<Gauge>*, Gauge*>> gauges;
  };
  std::map<QueueName, OfQueue> of_queue;

  void set(OfQueue& queue, std::size_t& next, Family<Gauge>& family, const QueueName& name,
           const char* label, const char* label_value, double value) {
    if (next == queue.gauges.size()) {
      prometheus::Labels labels = {
          {"project", name.project}, {"location", name.location}, {"queue", name.queue}};
      if (label != nullptr) labels.emplace(label, label_value);
      queue.gauges.emplace_back(&family, &family.Add(labels));
    }
    queue.gauges[next++].second->Set(value);
  }
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

void Metrics::observe_queues(const std::vector<std::pair<QueueName, QueueStats>>& queues) {
  Families& to = *families_;
  std::map<QueueName, Families::OfQueue> left = std::exchange(to.of_queue, {});
  for (const auto& [name, stats] : queues) {
    Families::OfQueue queue;
    if (auto node = left.extract(name)) queue = std::move(node.mapped());
    std::size_t next = 0;
    const auto set = [&](Family<Gauge>& family, const char* label, const char* label_value,
                         double value) {
      to.set(queue, next, family, name, label, label_value, value);
    };
    set(to.tasks, "state", "scheduled", static_cast<double>(stats.scheduled));
    set(to.tasks, "state", "ready", static_cast<double>(stats.ready));
    set(to.tasks, "state", "in_flight", static_cast<double>(stats.in_flight));
    set(to.tasks, "state", "leased", static_cast<double>(stats.leased));
    set(to.bytes, nullptr, nullptr, static_cast<double>(stats.bytes));
    set(to.oldest, nullptr, nullptr, seconds(stats.oldest_ready.value_or(Micros(0))));
    for (const auto& [family, durations] :
         {std::pair(&to.delay, &stats.delay), std::pair(&to.execution, &stats.execution)}) {
      set(*family, "quantile", "0.5", seconds(durations->p50));
      set(*family, "quantile", "0.95", seconds(durations->p95));
      set(*family, "quantile", "0.99", seconds(durations->p99));
    }
    set(to.totals, "event", "added", static_cast<double>(stats.added_total));
    set(to.totals, "event", "completed", static_cast<double>(stats.completed_total));
    set(to.totals, "event", "dropped", static_cast<double>(stats.dropped_total));
    set(to.totals, "event", "cancelled", static_cast<double>(stats.cancelled_total));
    set(to.totals, "event", "dead", static_cast<double>(stats.dead_total));
    set(to.totals, "event", "poisoned", static_cast<double>(stats.poisoned_total));
    set(to.totals, "event", "executed", static_cast<double>(stats.executed_total));
    set(to.totals, "event", "failed", static_cast<double>(stats.failed_total));
    set(to.kept, "what", "dead", static_cast<double>(stats.dead));
    set(to.kept, "what", "results", static_cast<double>(stats.outcomes));
    set(to.kept_bytes, "what", "dead", static_cast<double>(stats.dead_bytes));
    set(to.kept_bytes, "what", "results", static_cast<double>(stats.outcome_bytes));
    set(to.used, "what", "cpu", seconds(stats.usage.cpu));
    set(to.used, "what", "wall", seconds(stats.usage.wall));
    set(to.memory_peak, nullptr, nullptr, static_cast<double>(stats.usage.memory_peak_max));
    for (std::size_t i = 0; i < stats.usage.causes.size(); ++i) {
      set(to.exits, "cause", to_string(static_cast<ExitCause>(i)).data(),
          static_cast<double>(stats.usage.causes[i]));
    }
    to.of_queue.emplace(name, std::move(queue));
  }
  for (auto& [name, gone] : left) {
    for (auto& [family, gauge] : gone.gauges) family->Remove(gauge);
  }
}

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(families_->registry.Collect());
}

}  // namespace deferd
