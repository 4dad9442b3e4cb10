// Policies of queues: kept with their queue, given back as they were written, and asked by whoever
// decides what a caller may do (CT-spec 11).
#pragma once

#include <google/iam/v1/iam_policy.pb.h>
#include <google/iam/v1/policy.pb.h>

#include "api/cloudtasks/service.h"

namespace deferd::cloudtasks {

void get_iam_policy(Service& service, const google::iam::v1::GetIamPolicyRequest& request,
                    const Context& context, Done<google::iam::v1::Policy> done);
void set_iam_policy(Service& service, const google::iam::v1::SetIamPolicyRequest& request,
                    const Context& context, Done<google::iam::v1::Policy> done);
void test_iam_permissions(Service& service,
                          const google::iam::v1::TestIamPermissionsRequest& request,
                          const Context& context,
                          Done<google::iam::v1::TestIamPermissionsResponse> done);

}  // namespace deferd::cloudtasks
