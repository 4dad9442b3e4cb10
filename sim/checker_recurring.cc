// Recurring tasks: what follows the end of an attempt, and what a rule may skip unseen.
#include <algorithm>
#include <utility>

#include "sim/checker.h"
#include "sim/recurrences.h"

namespace deferd::sim {

// The rule lets times go by without a run, and nobody is told when: the task may stand at any of
// them from its eta on, or have ended behind the last.
void Checker::drift(ModelTask& task) {
  if (!task.is_recurring() || task.life != Life::live || task.running > 0 ||
      task.recurs.due != Wall{})
    return;
  const Rule rule = Rule::of(task.recurrence());
  if (!rule.skips(task.eta_from, now_.wall)) return;
  const Wall next = rule.next(now_.wall);
  task.drifted = true;
  task.changed_event = event_;
  task.eta_to = std::max(task.eta_to, next == Wall::max() ? rule.last : next);
  if (next != Wall::max()) return;
  task.doubt = true;
  task.unsure_event = event_;
}

void Checker::start_recurring(ModelTask& task, const Task& sent, bool forced) {
  const auto bad = [&](const std::string& what) { violated(21, what + ": " + describe(task)); };
  const Rule rule = Rule::of(task.recurrence());
  const Wall eta = sent.place.eta;
  const bool begins = task.recurs.due == Wall{};  // else it is retried
  if (begins && !forced && rule.skips(eta, now_.wall)) return bad("a run that is to be skipped");
  if (task.drifted && eta != task.eta_from) {
    ++marks_.skipped;
    // It was skipped to the first time after some instant, and skipping began late enough.
    if (!rule.is_time(eta)) return bad("due at a time that its rule does not give");
    if (eta <= task.eta_from + Micros(rule.late)) return bad("a time was left out");
  }
  task.eta_from = task.eta_to = eta;
  task.drifted = false;
  if (std::exchange(task.goes_on, false) || task.running > 0) return;
  task.recurs.early = forced && task.run_due() > now_.wall;
  task.recurs.succeeded = false;
}

void Checker::end_recurring(ModelTask& task, const RunningAttempt& attempt,
                            const AttemptResult& result) {
  task.end_run = run_;
  task.recurs.eta = task.eta_from;
  task.recurs.attempts = task.attempts;
  task.recurs.first_attempt = task.first_attempt;
  task.recurs.succeeded = task.recurs.succeeded || (result.status >= 200 && result.status <= 299);
  task.recurs_before = task.recurs;
  task.changed_event = event_;
  if (task.running > 0) return;  // the run ends with its last attempt
  const RetryPolicy policy = policy_of(task);
  const Wall due = task.run_due();
  const bool is_over = task.recurs.succeeded || task.recurs.early ||
                       exhausted(policy, task.attempts, now_.wall - task.first_attempt);
  Wall next{};
  if (is_over) {
    ++marks_.recurred;
    next = task.recurs.early ? due : Rule::of(task.recurrence()).next(now_.wall);
    task.attempts = 0;
    task.first_attempt = Wall{};
    task.recurs = {};
  } else {
    const Wall base = attempt.forced ? attempt.started.wall : now_.wall;
    const Micros asked = retry_after_in_force(policy, result.retry_after);
    next = std::max({base + backoff(policy, task.attempts), now_.wall + asked, now_.wall});
    task.recurs.due = due;
  }
  if (next == Wall::max()) {
    finish(task, EndCause::completed, now_.wall, now_.wall, false);
  } else {
    task.eta_from = task.eta_to = next;
    task.order = 0;
  }
  changed(task, false);
}

// Another attempt was started by hand before this run heard of the end: so the run went on.
void Checker::undo_end(ModelTask& task) {
  ModelQueue& queue = *task.queue;
  if (task.life == Life::ended && task.cause == EndCause::completed) {
    task.life = Life::live;
    task.cause = EndCause::none;
    std::erase(queue.ended, &task);
    queue.tasks.push_back(&task);
  }
  if (task.life != Life::live) return;
  task.recurs = task.recurs_before;
  task.eta_from = task.eta_to = task.recurs.eta;
  task.attempts = task.recurs.attempts;
  task.first_attempt = task.recurs.first_attempt;
  task.end_run = 0;
  task.goes_on = task.running == 0;
}

}  // namespace deferd::sim
