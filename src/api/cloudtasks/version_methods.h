// The methods of one version of the API. Each version is compiled in a file of its own.
#pragma once

#include <vector>

#include "api/cloudtasks/batch_calls.h"
#include "api/cloudtasks/iam_calls.h"
#include "api/cloudtasks/methods.h"
#include "api/cloudtasks/queue_calls.h"
#include "api/cloudtasks/task_calls.h"
#include "api/cloudtasks/versions.h"

namespace deferd::cloudtasks {

void add_v2(std::vector<Method>& all);
void add_v2beta3(std::vector<Method>& all);
void add_v2beta2(std::vector<Method>& all);

// The sixteen that every version has.
template <class V>
void add_usual(std::vector<Method>& all) {
  using Q = QueueCalls<V>;
  using T = TaskCalls<V>;
  using Queue = typename V::Queue;
  using Task = typename V::Task;
  using google::protobuf::Empty;
  const auto add = [&](std::string_view name, Method (*make)(std::string_view, std::string_view)) {
    all.push_back(make(V::service, name));
  };
  add("CreateTask", method<typename V::CreateTaskRequest, Task, &T::create_task>);
  add("GetTask", method<typename V::GetTaskRequest, Task, &T::get_task>);
  add("ListTasks",
      method<typename V::ListTasksRequest, typename V::ListTasksResponse, &T::list_tasks>);
  add("DeleteTask", method<typename V::DeleteTaskRequest, Empty, &T::delete_task>);
  add("RunTask", method<typename V::RunTaskRequest, Task, &T::run_task>);
  add("ListQueues",
      method<typename V::ListQueuesRequest, typename V::ListQueuesResponse, &Q::list_queues>);
  add("GetQueue", method<typename V::GetQueueRequest, Queue, &Q::get_queue>);
  add("CreateQueue", method<typename V::CreateQueueRequest, Queue, &Q::create_queue>);
  add("UpdateQueue", method<typename V::UpdateQueueRequest, Queue, &Q::update_queue>);
  add("DeleteQueue", method<typename V::DeleteQueueRequest, Empty, &Q::delete_queue>);
  add("PurgeQueue", method<typename V::PurgeQueueRequest, Queue, &Q::purge_queue>);
  add("PauseQueue", method<typename V::PauseQueueRequest, Queue, &Q::pause_queue>);
  add("ResumeQueue", method<typename V::ResumeQueueRequest, Queue, &Q::resume_queue>);
  add("GetIamPolicy",
      method<google::iam::v1::GetIamPolicyRequest, google::iam::v1::Policy, &get_iam_policy>);
  add("SetIamPolicy",
      method<google::iam::v1::SetIamPolicyRequest, google::iam::v1::Policy, &set_iam_policy>);
  add("TestIamPermissions",
      method<google::iam::v1::TestIamPermissionsRequest,
             google::iam::v1::TestIamPermissionsResponse, &test_iam_permissions>);
}

template <class V>
void add_batches(std::vector<Method>& all) {
  using B = BatchCalls<V>;
  using google::longrunning::Operation;
  all.push_back(method<typename V::BatchCreateTasksRequest, Operation, &B::batch_create_tasks>(
      V::service, "BatchCreateTasks"));
  all.push_back(method<typename V::BatchDeleteTasksRequest, Operation, &B::batch_delete_tasks>(
      V::service, "BatchDeleteTasks"));
  all.push_back(
      method<typename V::GetCmekConfigRequest, typename V::CmekConfig, &B::get_cmek_config>(
          V::service, "GetCmekConfig"));
  all.push_back(
      method<typename V::UpdateCmekConfigRequest, typename V::CmekConfig, &B::update_cmek_config>(
          V::service, "UpdateCmekConfig"));
}

}  // namespace deferd::cloudtasks
