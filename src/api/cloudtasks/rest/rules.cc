#include "api/cloudtasks/rest/rules.h"

#include "api/cloudtasks/rest/http_methods.h"

namespace deferd::cloudtasks::rest {
namespace {

constexpr Rule of_cloud_tasks[] = {
    {"GET", "{parent=projects/*/locations/*}/queues", "", "ListQueues"},
    {"GET", "{name=projects/*/locations/*/queues/*}", "", "GetQueue"},
    {"POST", "{parent=projects/*/locations/*}/queues", "queue", "CreateQueue"},
    {"PATCH", "{queue.name=projects/*/locations/*/queues/*}", "queue", "UpdateQueue"},
    {"DELETE", "{name=projects/*/locations/*/queues/*}", "", "DeleteQueue"},
    {"POST", "{name=projects/*/locations/*/queues/*}:purge", "*", "PurgeQueue"},
    {"POST", "{name=projects/*/locations/*/queues/*}:pause", "*", "PauseQueue"},
    {"POST", "{name=projects/*/locations/*/queues/*}:resume", "*", "ResumeQueue"},
    {"POST", "{resource=projects/*/locations/*/queues/*}:getIamPolicy", "*", "GetIamPolicy"},
    {"POST", "{resource=projects/*/locations/*/queues/*}:setIamPolicy", "*", "SetIamPolicy"},
    {"POST", "{resource=projects/*/locations/*/queues/*}:testIamPermissions", "*",
     "TestIamPermissions"},
    {"GET", "{parent=projects/*/locations/*/queues/*}/tasks", "", "ListTasks"},
    {"GET", "{name=projects/*/locations/*/queues/*/tasks/*}", "", "GetTask"},
    {"POST", "{parent=projects/*/locations/*/queues/*}/tasks", "*", "CreateTask"},
    {"DELETE", "{name=projects/*/locations/*/queues/*/tasks/*}", "", "DeleteTask"},
    {"POST", "{name=projects/*/locations/*/queues/*/tasks/*}:run", "*", "RunTask"},
    {"POST", "{parent=projects/*/locations/*/queues/*}/tasks:buffer", raw_body, "BufferTask"},
    {"POST", "{parent=projects/*/locations/*/queues/*}/tasks/{task_id}:buffer", raw_body,
     "BufferTask"},
    // v2 and v2beta3
    {"POST", "{parent=projects/*/locations/*/queues/*}/tasks:batchCreate", "*", "BatchCreateTasks"},
    {"POST", "{parent=projects/*/locations/*/queues/*}/tasks:batchDelete", "*", "BatchDeleteTasks"},
    {"GET", "{name=projects/*/locations/*/cmekConfig}", "", "GetCmekConfig"},
    {"PATCH", "{cmek_config.name=projects/*/locations/*/cmekConfig}", "cmek_config",
     "UpdateCmekConfig"},
    // v2beta2
    {"POST", "{parent=projects/*/locations/*/queues/*}/tasks:lease", "*", "LeaseTasks"},
    {"POST", "{name=projects/*/locations/*/queues/*/tasks/*}:acknowledge", "*", "AcknowledgeTask"},
    {"POST", "{name=projects/*/locations/*/queues/*/tasks/*}:renewLease", "*", "RenewLease"},
    {"POST", "{name=projects/*/locations/*/queues/*/tasks/*}:cancelLease", "*", "CancelLease"},
};
constexpr Rule of_locations[] = {
    {"GET", "{name=projects/*}/locations", "", "ListLocations"},
    {"GET", "{name=projects/*/locations/*}", "", "GetLocation"},
};
constexpr Rule of_operations[] = {
    {"GET", "{name=projects/*/locations/*/operations/*}", "", "GetOperation"},
};

constexpr Rule of_firebase[] = {
    {"POST", "{parent=projects/*/locations/*/queues/*}/tasks", "*", "CreateTask"},
    {"POST", "{name=projects/*/locations/*/queues/*}", lenient_body, "RegisterQueue"},
};
constexpr Rule of_firebase_and_v2[] = {
    {"DELETE", "{name=projects/*/locations/*/queues/*/tasks/*}", "", "DeleteTask"},
};

constexpr std::string_view no_version[] = {""};
constexpr std::string_view v2[] = {"/v2"};
constexpr std::string_view v2beta3[] = {"/v2beta3"};
constexpr std::string_view v2beta2[] = {"/v2beta2"};
constexpr std::string_view all_versions[] = {"/v2", "/v2beta3", "/v2beta2"};
// Node's REST mode asks for locations under /v1 (CT-spec 1.2).
constexpr std::string_view versions_of_locations[] = {"/v1", "/v2", "/v2beta3", "/v2beta2"};

constexpr Rules all[] = {
    {v2, "google.cloud.tasks.v2.CloudTasks", of_cloud_tasks},
    {v2beta3, "google.cloud.tasks.v2beta3.CloudTasks", of_cloud_tasks},
    {v2beta2, "google.cloud.tasks.v2beta2.CloudTasks", of_cloud_tasks},
    {versions_of_locations, "google.cloud.location.Locations", of_locations},
    {all_versions, "google.longrunning.Operations", of_operations},
    {no_version, firebase_service, of_firebase},
    {no_version, "google.cloud.tasks.v2.CloudTasks", of_firebase_and_v2},
};

}  // namespace

std::span<const Rules> all_rules() { return all; }

}  // namespace deferd::cloudtasks::rest
