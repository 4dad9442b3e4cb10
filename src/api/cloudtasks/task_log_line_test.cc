#include "api/cloudtasks/task_log_line.h"

#include <gtest/gtest.h>

#include "model/push_request.h"

namespace deferd::cloudtasks {
namespace {

TaskLogEntry entry_of(TaskLogEntry::What what, std::string_view url) {
  TaskLogEntry entry;
  entry.what = what;
  entry.at = wall_from_micros(1'667'652'066'448'498);
  entry.queue = std::make_shared<const QueueName>(*QueueName::parse("p", "l", "q"));
  entry.task.id = TaskId{5'177'632'498'362'275'994};
  entry.task.place.eta = entry.at;
  PushRequest request;
  request.url = url;
  entry.task.payload = share(encode(request));
  entry.max_attempts = 5;
  return entry;
}

std::string line_of(const TaskLogEntry& entry) {
  std::string line;
  append_task_log_line(entry, line);
  return line;
}

// CT-256
TEST(TaskLogLine, AResponseHasTheFieldsOfGoogles) {
  TaskLogEntry entry = entry_of(TaskLogEntry::What::answered, "https://e.com/handle?token=secret");
  entry.task.progress.attempts = 2;
  entry.task.progress.last_eta = wall_from_micros(1'667'651'458'446'998);
  entry.status = status_timeout;
  entry.took = Micros(600'001'266);
  entry.retry_at = wall_from_micros(1'667'652'070'448'498);
  EXPECT_EQ(
      line_of(entry),
      R"({"logName":"projects/p/logs/cloudtasks.googleapis.com%2Ftask_operations_log",)"
      R"("resource":{"type":"cloud_tasks_queue","labels":{"project_id":"p","queue_id":"q","location":"l","target_type":"HTTP"}},)"
      R"("timestamp":"2022-11-05T12:41:06.448498Z","severity":"ERROR",)"
      R"("jsonPayload":{"@type":"type.googleapis.com/google.cloud.tasks.logging.v1.TaskActivityLog",)"
      R"("task":"projects/p/locations/l/queues/q/tasks/05177632498362275994","attemptResponseLog":{)"
      R"("status":"DEADLINE_EXCEEDED","scheduleTime":"2022-11-05T12:30:58.446998Z",)"
      R"("retryTime":"2022-11-05T12:41:10.448498Z","targetType":"HTTP","targetAddress":"POST https://e.com/handle",)"
      R"("attemptDuration":"600.001266s","dispatchCount":"2","responseCount":"0","maxAttempts":5}}})"
      "\n");
}

// CT-256
TEST(TaskLogLine, OperationsAndTargetsHaveTheirNames) {
  using What = TaskLogEntry::What;
  const std::string created = line_of(entry_of(What::created, "/jobs?n=1"));
  EXPECT_NE(created.find(R"("taskCreationLog":{"status":"OK")"), std::string::npos) << created;
  EXPECT_NE(created.find(R"("targetType":"APP_ENGINE_HTTP","targetAddress":"POST /jobs")"),
            std::string::npos)
      << created;
  EXPECT_NE(created.find(R"("severity":"INFO")"), std::string::npos) << created;
  const std::string pulled = line_of(entry_of(What::created, ""));
  EXPECT_NE(pulled.find(R"("targetType":"PULL","maxAttempts":5)"), std::string::npos) << pulled;
  TaskLogEntry deleted = entry_of(What::deleted, "/");
  deleted.task.payload = nullptr;
  EXPECT_NE(line_of(deleted).find(R"("taskDeletionLog":{)"), std::string::npos);
  EXPECT_NE(line_of(entry_of(What::dispatched, "/")).find(R"("attemptDispatchLog":{)"),
            std::string::npos);
}

}  // namespace
}  // namespace deferd::cloudtasks
