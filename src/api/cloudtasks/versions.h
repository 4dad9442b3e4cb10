// The versions of the API as types: which messages a version has. What is the same in all of them
// is written once, as a template over one of these (docs/decisions/0012); what differs is asked of
// the messages themselves (`if constexpr (requires { queue.type(); })`) or stands here by name.
#pragma once

#include <google/cloud/tasks/v2/cloudtasks.pb.h>
#include <google/cloud/tasks/v2beta2/cloudtasks.pb.h>
#include <google/cloud/tasks/v2beta3/cloudtasks.pb.h>

#include <string_view>

namespace deferd::cloudtasks {

// What every version has, under its own package.
#define DEFERD_CLOUDTASKS_MESSAGES(package)                   \
  using Queue = package::Queue;                               \
  using Task = package::Task;                                 \
  using HttpRequest = package::HttpRequest;                   \
  using HttpTarget = package::HttpTarget;                     \
  using AppEngineHttpRequest = package::AppEngineHttpRequest; \
  using AppEngineRouting = package::AppEngineRouting;         \
  using RetryConfig = package::RetryConfig;                   \
  using RateLimits = package::RateLimits;                     \
  using HttpMethod = package::HttpMethod;                     \
  using View = package::Task::View;                           \
  using ListQueuesRequest = package::ListQueuesRequest;       \
  using ListQueuesResponse = package::ListQueuesResponse;     \
  using GetQueueRequest = package::GetQueueRequest;           \
  using CreateQueueRequest = package::CreateQueueRequest;     \
  using UpdateQueueRequest = package::UpdateQueueRequest;     \
  using DeleteQueueRequest = package::DeleteQueueRequest;     \
  using PurgeQueueRequest = package::PurgeQueueRequest;       \
  using PauseQueueRequest = package::PauseQueueRequest;       \
  using ResumeQueueRequest = package::ResumeQueueRequest;     \
  using ListTasksRequest = package::ListTasksRequest;         \
  using ListTasksResponse = package::ListTasksResponse;       \
  using GetTaskRequest = package::GetTaskRequest;             \
  using CreateTaskRequest = package::CreateTaskRequest;       \
  using DeleteTaskRequest = package::DeleteTaskRequest;       \
  using RunTaskRequest = package::RunTaskRequest
#define DEFERD_CLOUDTASKS_BATCHES(package)                            \
  using BatchCreateTasksRequest = package::BatchCreateTasksRequest;   \
  using BatchCreateTasksResponse = package::BatchCreateTasksResponse; \
  using BatchCreateTasksMetadata = package::BatchCreateTasksMetadata; \
  using BatchDeleteTasksRequest = package::BatchDeleteTasksRequest;   \
  using BatchDeleteTasksMetadata = package::BatchDeleteTasksMetadata; \
  using CmekConfig = package::CmekConfig;                             \
  using GetCmekConfigRequest = package::GetCmekConfigRequest;         \
  using UpdateCmekConfigRequest = package::UpdateCmekConfigRequest

struct V2 {
  DEFERD_CLOUDTASKS_MESSAGES(google::cloud::tasks::v2);
  DEFERD_CLOUDTASKS_BATCHES(google::cloud::tasks::v2);

  static constexpr std::string_view service = "google.cloud.tasks.v2.CloudTasks";
  static constexpr std::string_view routing_path = "app_engine_routing_override";
  static constexpr std::string_view rate_path = "rate_limits.max_dispatches_per_second";
  static constexpr std::string_view concurrency_path = "rate_limits.max_concurrent_dispatches";
  static constexpr bool sets_burst = false;  // it follows from the rate
};

struct V2Beta3 {
  DEFERD_CLOUDTASKS_MESSAGES(google::cloud::tasks::v2beta3);
  DEFERD_CLOUDTASKS_BATCHES(google::cloud::tasks::v2beta3);

  static constexpr std::string_view service = "google.cloud.tasks.v2beta3.CloudTasks";
  static constexpr std::string_view routing_path =
      "app_engine_http_queue.app_engine_routing_override";
  static constexpr std::string_view rate_path = "rate_limits.max_dispatches_per_second";
  static constexpr std::string_view concurrency_path = "rate_limits.max_concurrent_dispatches";
  static constexpr bool sets_burst = true;
};

struct V2Beta2 {
  DEFERD_CLOUDTASKS_MESSAGES(google::cloud::tasks::v2beta2);
  using LeaseTasksRequest = google::cloud::tasks::v2beta2::LeaseTasksRequest;
  using LeaseTasksResponse = google::cloud::tasks::v2beta2::LeaseTasksResponse;
  using AcknowledgeTaskRequest = google::cloud::tasks::v2beta2::AcknowledgeTaskRequest;
  using RenewLeaseRequest = google::cloud::tasks::v2beta2::RenewLeaseRequest;
  using CancelLeaseRequest = google::cloud::tasks::v2beta2::CancelLeaseRequest;

  static constexpr std::string_view service = "google.cloud.tasks.v2beta2.CloudTasks";
  static constexpr std::string_view routing_path =
      "app_engine_http_target.app_engine_routing_override";
  static constexpr std::string_view rate_path = "rate_limits.max_tasks_dispatched_per_second";
  static constexpr std::string_view concurrency_path = "rate_limits.max_concurrent_tasks";
  static constexpr bool sets_burst = true;
};

#undef DEFERD_CLOUDTASKS_MESSAGES
#undef DEFERD_CLOUDTASKS_BATCHES

}  // namespace deferd::cloudtasks
