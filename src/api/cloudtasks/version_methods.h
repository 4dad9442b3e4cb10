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
  using P = Permission;
  using Make = Method (*)(std::string_view, std::string_view, Permissions);
  const auto add = [&](std::string_view name, Permissions needs, Make make) {
    all.push_back(make(V::service, name, needs));
  };
  add("CreateTask", P::tasks_create, method<typename V::CreateTaskRequest, Task, &T::create_task>);
  add("GetTask", P::tasks_get, method<typename V::GetTaskRequest, Task, &T::get_task>);
  add("ListTasks", P::tasks_list,
      method<typename V::ListTasksRequest, typename V::ListTasksResponse, &T::list_tasks>);
  add("DeleteTask", P::tasks_delete, method<typename V::DeleteTaskRequest, Empty, &T::delete_task>);
  add("RunTask", P::tasks_run, method<typename V::RunTaskRequest, Task, &T::run_task>);
  add("ListQueues", P::queues_list,
      method<typename V::ListQueuesRequest, typename V::ListQueuesResponse, &Q::list_queues>);
  add("GetQueue", P::queues_get, method<typename V::GetQueueRequest, Queue, &Q::get_queue>);
  add("CreateQueue", P::queues_create,
      method<typename V::CreateQueueRequest, Queue, &Q::create_queue>);
  add("UpdateQueue", P::queues_update,
      method<typename V::UpdateQueueRequest, Queue, &Q::update_queue>);
  add("DeleteQueue", P::queues_delete,
      method<typename V::DeleteQueueRequest, Empty, &Q::delete_queue>);
  add("PurgeQueue", P::queues_purge, method<typename V::PurgeQueueRequest, Queue, &Q::purge_queue>);
  add("PauseQueue", P::queues_pause, method<typename V::PauseQueueRequest, Queue, &Q::pause_queue>);
  add("ResumeQueue", P::queues_resume,
      method<typename V::ResumeQueueRequest, Queue, &Q::resume_queue>);
  add("GetIamPolicy", P::queues_get_iam_policy,
      method<google::iam::v1::GetIamPolicyRequest, google::iam::v1::Policy, &get_iam_policy>);
  add("SetIamPolicy", P::queues_set_iam_policy,
      method<google::iam::v1::SetIamPolicyRequest, google::iam::v1::Policy, &set_iam_policy>);
  add("TestIamPermissions", Permissions{},
      method<google::iam::v1::TestIamPermissionsRequest,
             google::iam::v1::TestIamPermissionsResponse, &test_iam_permissions>);
}

template <class V>
void add_batches(std::vector<Method>& all) {
  using B = BatchCalls<V>;
  using P = Permission;
  using google::longrunning::Operation;
  all.push_back(method<typename V::BatchCreateTasksRequest, Operation, &B::batch_create_tasks>(
      V::service, "BatchCreateTasks", P::tasks_create));
  all.push_back(method<typename V::BatchDeleteTasksRequest, Operation, &B::batch_delete_tasks>(
      V::service, "BatchDeleteTasks", P::tasks_delete));
  all.push_back(
      method<typename V::GetCmekConfigRequest, typename V::CmekConfig, &B::get_cmek_config>(
          V::service, "GetCmekConfig", P::cmek_config_get));
  all.push_back(
      method<typename V::UpdateCmekConfigRequest, typename V::CmekConfig, &B::update_cmek_config>(
          V::service, "UpdateCmekConfig", P::cmek_config_update));
}

}  // namespace deferd::cloudtasks
