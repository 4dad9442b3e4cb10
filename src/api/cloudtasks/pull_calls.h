// The calls that v2beta2 alone has: pull queues and queue.yaml (CT-spec 6). A lease is known by the
// schedule time that it set: that is the proof of holding it.
#pragma once

#include "api/cloudtasks/outcome.h"
#include "api/cloudtasks/service.h"
#include "api/cloudtasks/versions.h"

namespace google::protobuf {
class Empty;
}

namespace deferd::cloudtasks {

void lease_tasks(Service& service, const V2Beta2::LeaseTasksRequest& request,
                 const Context& context, Done<V2Beta2::LeaseTasksResponse> done);
void acknowledge_task(Service& service, const V2Beta2::AcknowledgeTaskRequest& request,
                      const Context& context, Done<google::protobuf::Empty> done);
void renew_lease(Service& service, const V2Beta2::RenewLeaseRequest& request,
                 const Context& context, Done<V2Beta2::Task> done);
void cancel_lease(Service& service, const V2Beta2::CancelLeaseRequest& request,
                  const Context& context, Done<V2Beta2::Task> done);

// Queues of the project that the file leaves out become DISABLED.
void upload_queue_yaml(Service& service,
                       const google::cloud::tasks::v2beta2::UploadQueueYamlRequest& request,
                       const Context& context, Done<google::protobuf::Empty> done);

}  // namespace deferd::cloudtasks
