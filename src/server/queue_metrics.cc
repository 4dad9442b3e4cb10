#include "server/queue_metrics.h"

#include <string>
#include <string_view>

#include "api/native/failure_words.h"
#include "model/task.h"

namespace deferd {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Label = ClientMetric::Label;

double seconds(Micros duration) { return static_cast<double>(duration.count()) / 1e6; }

// The families in their order, with the samples of one queue after the other.
class QueueFamilies {
 public:
  void add(const QueueName& name, const QueueStats& stats) {
    queue_ = {{"project", name.project}, {"location", name.location}, {"queue", name.queue}};
    add_tasks(stats);
    add_attempts(stats);
    add_events(stats);
    add_kept(stats);
    add_usage(stats);
  }

  std::vector<MetricFamily> take() {
    std::vector<MetricFamily> filled;
    for (MetricFamily* family :
         {&depth_, &tasks_, &bytes_, &oldest_, &attempts_, &attempt_delay_, &delay_, &execution_,
          &events_, &kept_, &kept_bytes_, &forward_refused_, &used_, &memory_peak_, &exits_}) {
      if (!family->metric.empty()) filled.push_back(std::move(*family));
    }
    return filled;
  }

 private:
  ClientMetric& sample(MetricFamily& family, std::initializer_list<Label> labels) {
    ClientMetric& made = family.metric.emplace_back();
    made.label = queue_;
    made.label.insert(made.label.end(), labels);
    return made;
  }
  template <class Number>
  void set(MetricFamily& family, std::initializer_list<Label> labels, Number value) {
    ClientMetric& made = sample(family, labels);
    const auto number = static_cast<double>(value);
    (family.type == MetricType::Counter ? made.counter.value : made.gauge.value) = number;
  }

  void add_tasks(const QueueStats& stats) {
    set(depth_, {}, stats.tasks);
    set(tasks_, {{"state", "scheduled"}}, stats.scheduled);
    set(tasks_, {{"state", "ready"}}, stats.ready);
    set(tasks_, {{"state", "in_flight"}}, stats.in_flight);
    set(tasks_, {{"state", "leased"}}, stats.leased);
    set(bytes_, {}, stats.bytes);
    set(oldest_, {}, seconds(stats.oldest_ready.value_or(Micros(0))));
  }

  void add_attempts(const QueueStats& stats) {
    for (const auto& [status, count] : stats.attempts.statuses) {
      set(attempts_,
          {{"status", word_of(status)}, {"response_code", std::string(response_code(status))}},
          count);
    }
    if (stats.attempts.others > 0)
      set(attempts_, {{"status", "other"}, {"response_code", "other"}}, stats.attempts.others);

    ClientMetric::Histogram& delays = sample(attempt_delay_, {}).histogram;
    for (std::size_t i = 0; i < stats.delays.buckets.size(); ++i) {
      delays.sample_count += stats.delays.buckets[i];
      if (i < DelayCounts::bounds.size())
        delays.bucket.push_back({delays.sample_count, seconds(DelayCounts::bounds[i])});
    }
    delays.sample_sum = seconds(stats.delays.sum);

    for (const auto& [family, durations] :
         {std::pair(&delay_, &stats.delay), std::pair(&execution_, &stats.execution)}) {
      set(*family, {{"quantile", "0.5"}}, seconds(durations->p50));
      set(*family, {{"quantile", "0.95"}}, seconds(durations->p95));
      set(*family, {{"quantile", "0.99"}}, seconds(durations->p99));
    }
  }

  void add_events(const QueueStats& stats) {
    set(events_, {{"event", "added"}}, stats.added_total);
    set(events_, {{"event", "completed"}}, stats.completed_total);
    set(events_, {{"event", "dropped"}}, stats.dropped_total);
    set(events_, {{"event", "cancelled"}}, stats.cancelled_total);
    set(events_, {{"event", "dead"}}, stats.dead_total);
    set(events_, {{"event", "poisoned"}}, stats.poisoned_total);
    set(events_, {{"event", "forwarded"}}, stats.forwarded_total);
    set(events_, {{"event", "executed"}}, stats.executed_total);
    set(events_, {{"event", "failed"}}, stats.failed_total);
  }

  void add_kept(const QueueStats& stats) {
    set(kept_, {{"what", "dead"}}, stats.dead);
    set(kept_, {{"what", "results"}}, stats.outcomes);
    set(kept_, {{"what", "outgoing"}}, stats.outgoing);
    set(kept_bytes_, {{"what", "dead"}}, stats.dead_bytes);
    set(kept_bytes_, {{"what", "results"}}, stats.outcome_bytes);
    set(forward_refused_, {}, stats.forward_error.empty() ? 0 : 1);
  }

  void add_usage(const QueueStats& stats) {
    set(used_, {{"what", "cpu"}}, seconds(stats.usage.cpu));
    set(used_, {{"what", "wall"}}, seconds(stats.usage.wall));
    set(memory_peak_, {}, stats.usage.memory_peak_max);
    for (std::size_t i = 0; i < stats.usage.causes.size(); ++i) {
      set(exits_, {{"cause", std::string(to_string(static_cast<ExitCause>(i)))}},
          stats.usage.causes[i]);
    }
  }

  static std::string word_of(std::int16_t status) {
    if (status == status_none) return "acknowledged";
    return status > 0 ? std::to_string(status) : std::string(native::failure_word(status));
  }

  std::vector<Label> queue_;

  static constexpr MetricType gauge = MetricType::Gauge;
  static constexpr MetricType counter = MetricType::Counter;
  MetricFamily depth_{"deferd_queue_depth", "Live tasks", gauge, {}};
  MetricFamily tasks_{"deferd_queue_tasks", "Live tasks by state", gauge, {}};
  MetricFamily bytes_{"deferd_queue_bytes", "Bytes of live tasks", gauge, {}};
  MetricFamily oldest_{"deferd_queue_oldest_ready_seconds",
                       "How long the task that is due longest has been due",
                       gauge,
                       {}};
  MetricFamily attempts_{"deferd_queue_attempts_total",
                         "Attempts that ended, by HTTP status or what was there instead, and by "
                         "Google's code for it, since the start",
                         counter,
                         {}};
  MetricFamily attempt_delay_{"deferd_queue_attempt_delay_seconds",
                              "From due to started, since the start",
                              MetricType::Histogram,
                              {}};
  MetricFamily delay_{"deferd_queue_delay_seconds",
                      "From due to dispatched, over the last half to whole hour",
                      gauge,
                      {}};
  MetricFamily execution_{"deferd_queue_execution_seconds",
                          "How long attempts took, over the last half to whole hour",
                          gauge,
                          {}};
  MetricFamily events_{"deferd_queue_events",
                       "Tasks added, completed, dropped, cancelled, dead, poisoned, forwarded, and "
                       "attempts executed, failed, since the start",
                       counter,
                       {}};
  MetricFamily kept_{"deferd_queue_kept",
                     "Dead letters and results that are kept, and tasks on their way to another "
                     "queue",
                     gauge,
                     {}};
  MetricFamily kept_bytes_{
      "deferd_queue_kept_bytes", "Bytes of dead letters and results that are kept", gauge, {}};
  MetricFamily forward_refused_{"deferd_queue_forward_refused",
                                "1 while another queue does not take the tasks that go on to it",
                                gauge,
                                {}};
  MetricFamily used_{"deferd_queue_used_seconds",
                     "What workers reported of their attempts, since the start",
                     counter,
                     {}};
  MetricFamily memory_peak_{"deferd_queue_memory_peak_bytes",
                            "The most that a worker reported of one attempt",
                            gauge,
                            {}};
  MetricFamily exits_{"deferd_queue_exits",
                      "How attempts ended, as workers reported, since the start",
                      counter,
                      {}};
};

}  // namespace

std::vector<MetricFamily> queue_metrics(const SeenQueues& queues) {
  QueueFamilies families;
  for (const auto& [name, stats] : queues) families.add(name, stats);
  return families.take();
}

MetricFamily call_metrics(const std::vector<CallCount>& calls) {
  MetricFamily family{"deferd_cloudtasks_requests_total",
                      "Calls of Cloud Tasks' API by method and how they ended",
                      MetricType::Counter,
                      {}};
  for (const CallCount& call : calls) {
    ClientMetric& made = family.metric.emplace_back();
    made.label = {{"transport", std::string(call.transport)},
                  {"service", std::string(call.service)},
                  {"api_method", std::string(call.method)},
                  {"response_code", std::string(call.response_code)}};
    made.counter.value = static_cast<double>(call.count);
  }
  return family;
}

}  // namespace deferd
