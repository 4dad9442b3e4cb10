#include "apply/cron_uploads.h"

#include <algorithm>
#include <deque>
#include <future>
#include <mutex>
#include <tuple>
#include <utility>

namespace deferd {
namespace {

constexpr std::uint32_t page_tasks = 1000;

// All jobs of one queue, page by page. A queue that does not exist has none. Kept alive by the
// callbacks.
class JobList : public std::enable_shared_from_this<JobList> {
 public:
  using Done = Callback<void(Result<std::vector<CronJob>>)>;

  JobList(Runtime& runtime, QueueName queue, Done done)
      : runtime_(runtime), queue_(std::move(queue)), done_(std::move(done)) {}

  void ask(TaskId after) {
    ListTasks command;
    command.queue = queue_;
    command.after = after;
    command.tasks_max = page_tasks;
    command.reply = [self = shared_from_this()](Result<ListTasks::Answer> page) {
      self->take(std::move(page));
    };
    runtime_.submit(std::move(command));
  }

 private:
  void take(Result<ListTasks::Answer> page) {
    if (!page && page.error().reason != Reason::queue_missing) {
      return std::exchange(done_, nullptr)(fail(page.error()));
    }
    if (page) {
      for (const TaskInfo& info : page->tasks) {
        if (auto job = read_cron_job(info)) jobs_.push_back(std::move(*job));
      }
      if (page->next) return ask(*page->next);
    }
    std::ranges::sort(jobs_, {}, [](const CronJob& job) { return std::tie(job.due, job.id); });
    std::exchange(done_, nullptr)(std::move(jobs_));
  }

  Runtime& runtime_;
  const QueueName queue_;
  Done done_;
  std::vector<CronJob> jobs_;
};

// One upload under way: each step goes on from the reply of the last. Kept alive by the callbacks.
class Upload : public std::enable_shared_from_this<Upload> {
 public:
  using Done = Callback<void(Result<CronPlan>)>;

  Upload(Runtime& runtime, const Clock& clock, CronPlanOptions options, QueueName queue,
         CronYaml file, bool plan_only, Done done)
      : runtime_(runtime),
        clock_(clock),
        options_(std::move(options)),
        queue_(std::move(queue)),
        file_(std::move(file)),
        plan_only_(plan_only),
        done_(std::move(done)) {}

  void start() {
    std::make_shared<JobList>(runtime_, queue_,
                              [self = shared_from_this()](Result<std::vector<CronJob>> there) {
                                if (!there) return self->end(fail(there.error()));
                                self->plan(*there);
                              })
        ->ask({});
  }

 private:
  void plan(const std::vector<CronJob>& there) {
    auto plan = plan_cron(file_, there, options_, clock_.now().wall);
    if (!plan || plan_only_ || !plan->changes_anything()) return end(std::move(plan));
    plan_ = std::move(*plan);
    if (file_.jobs.empty()) return remove();
    ConfigureQueue command;
    command.queue = queue_;
    command.change = [jobs = file_.jobs.size(), timeout = options_.attempt_timeout](
                         const QueueSettings* now) -> Result<QueueSettings> {
      QueueSettings settings = cron_queue_settings(now, jobs);
      if (now == nullptr) settings.timeout = timeout;
      return settings;
    };
    command.reply = [self = shared_from_this()](Result<ConfigureQueue::Answer> answer) {
      if (!answer) return self->end(fail(answer.error()));
      self->remove();
    };
    runtime_.submit(std::move(command));
  }

  // What goes, and what is to be replaced. One that has gone meanwhile is gone as well.
  void remove() {
    DeleteTasks command;
    command.queue = queue_;
    for (const PlannedJob& planned : plan_.jobs) {
      if (planned.action == JobAction::remove || planned.action == JobAction::change) {
        command.tasks.emplace_back(planned.job.id);
      }
    }
    if (command.tasks.empty()) return add();
    command.reply = [self = shared_from_this()](Result<std::vector<Result<void>>> answer) {
      if (!answer) return self->end_half_way(answer.error());
      for (const Result<void>& task : *answer) {
        if (!task && task.error().reason != Reason::task_missing &&
            task.error().reason != Reason::task_gone) {
          return self->end_half_way(task.error());
        }
      }
      self->add();
    };
    runtime_.submit(std::move(command));
  }

  void add() {
    AddTasks command;
    command.queue = queue_;
    for (const PlannedJob& planned : plan_.jobs) {
      if (planned.action == JobAction::make || planned.action == JobAction::change) {
        command.tasks.push_back(write_cron_job(planned.job, planned.due));
      }
    }
    if (command.tasks.empty()) return end(std::move(plan_));
    command.reply = [self = shared_from_this()](Result<std::vector<Result<Task>>> answer) {
      if (!answer) return self->end_half_way(answer.error());
      for (const Result<Task>& task : *answer) {
        if (!task) return self->end_half_way(task.error());
      }
      self->end(std::move(self->plan_));
    };
    runtime_.submit(std::move(command));
  }

  void end_half_way(Error error) {
    error.message += "; some of the changes may have been made: upload the file again";
    end(fail(std::move(error)));
  }
  void end(Result<CronPlan> result) { std::exchange(done_, nullptr)(std::move(result)); }

  Runtime& runtime_;
  const Clock& clock_;
  const CronPlanOptions options_;
  const QueueName queue_;
  const CronYaml file_;
  const bool plan_only_;
  Done done_;
  CronPlan plan_;
};

class CronUploadsOfRuntime final : public CronUploads {
 public:
  CronUploadsOfRuntime(Runtime& runtime, const Clock& clock, CronUploadOptions options)
      : runtime_(runtime),
        clock_(clock),
        options_(std::move(options)),
        turns_(std::make_shared<Turns>()) {}

  void upload(CronUpload upload, Callback<void(Result<CronPlan>)> done) override {
    auto queue = QueueName::parse(upload.project, upload.location, cron_queue);
    if (!queue) return done(fail(queue.error()));
    auto file = parse_cron_yaml(std::move(upload.file));
    if (!file) return done(fail(file.error()));
    auto in_turn = [turns = turns_, done = std::move(done)](Result<CronPlan> result) mutable {
      done(std::move(result));
      turns->next();
    };
    CronPlanOptions options{options_.missed, options_.hostname(upload.project),
                            options_.attempt_timeout};
    turns_->enter(std::make_shared<Upload>(runtime_, clock_, std::move(options), std::move(*queue),
                                           std::move(*file), upload.plan_only, std::move(in_turn)));
  }

  void list(std::string project, std::string location,
            Callback<void(Result<std::vector<CronJob>>)> done) override {
    auto queue = QueueName::parse(project, location, cron_queue);
    if (!queue) return done(fail(queue.error()));
    std::make_shared<JobList>(runtime_, std::move(*queue), std::move(done))->ask({});
  }

 private:
  // Shared with the upload that is under way, which may outlive the door that began it.
  class Turns {
   public:
    void enter(std::shared_ptr<Upload> upload) {
      {
        const std::lock_guard lock(mutex_);
        if (busy_) return waiting_.push_back(std::move(upload));
        busy_ = true;
      }
      upload->start();
    }
    void next() {
      std::shared_ptr<Upload> upload;
      {
        const std::lock_guard lock(mutex_);
        busy_ = !waiting_.empty();
        if (!busy_) return;
        upload = std::move(waiting_.front());
        waiting_.pop_front();
      }
      upload->start();
    }

   private:
    std::mutex mutex_;  // protects what follows
    std::deque<std::shared_ptr<Upload>> waiting_;
    bool busy_ = false;
  };

  Runtime& runtime_;
  const Clock& clock_;
  const CronUploadOptions options_;
  const std::shared_ptr<Turns> turns_;
};

}  // namespace

std::unique_ptr<CronUploads> CronUploads::make(Runtime& runtime, const Clock& clock,
                                               CronUploadOptions options) {
  return std::make_unique<CronUploadsOfRuntime>(runtime, clock, std::move(options));
}

Result<CronPlan> CronUploads::upload_and_wait(CronUpload upload) {
  std::promise<Result<CronPlan>> promise;
  auto future = promise.get_future();
  this->upload(std::move(upload),
               [&promise](Result<CronPlan> result) { promise.set_value(std::move(result)); });
  return future.get();
}

}  // namespace deferd
