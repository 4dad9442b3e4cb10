#include "api/cloudtasks/pull_calls.h"
#include "api/cloudtasks/version_methods.h"

namespace deferd::cloudtasks {

void add_v2beta2(std::vector<Method>& all) {
  add_usual<V2Beta2>(all);
  using google::protobuf::Empty;
  using P = Permission;
  all.push_back(method<V2Beta2::LeaseTasksRequest, V2Beta2::LeaseTasksResponse, &lease_tasks>(
      V2Beta2::service, "LeaseTasks", P::tasks_run));
  all.push_back(method<V2Beta2::AcknowledgeTaskRequest, Empty, &acknowledge_task>(
      V2Beta2::service, "AcknowledgeTask", P::tasks_run));
  all.push_back(method<V2Beta2::RenewLeaseRequest, V2Beta2::Task, &renew_lease>(
      V2Beta2::service, "RenewLease", P::tasks_run));
  all.push_back(method<V2Beta2::CancelLeaseRequest, V2Beta2::Task, &cancel_lease>(
      V2Beta2::service, "CancelLease", P::tasks_run));
  all.push_back(
      method<google::cloud::tasks::v2beta2::UploadQueueYamlRequest, Empty, &upload_queue_yaml>(
          V2Beta2::service, "UploadQueueYaml", {P::queues_create, P::queues_update}));
}

}  // namespace deferd::cloudtasks
