// google.cloud.location.Locations and google.longrunning.Operations.
#pragma once

#include <google/cloud/location/locations.pb.h>
#include <google/longrunning/operations.pb.h>

#include "api/cloudtasks/service.h"

namespace deferd::cloudtasks {

void list_locations(Service& service, const google::cloud::location::ListLocationsRequest& request,
                    const Context& context,
                    Done<google::cloud::location::ListLocationsResponse> done);
// Any that is well formed: locations are what callers name.
void get_location(Service& service, const google::cloud::location::GetLocationRequest& request,
                  const Context& context, Done<google::cloud::location::Location> done);
void get_operation(Service& service, const google::longrunning::GetOperationRequest& request,
                   const Context& context, Done<google::longrunning::Operation> done);

}  // namespace deferd::cloudtasks
