#include "api/cloudtasks/methods.h"

#include <algorithm>
#include <vector>

#include "api/cloudtasks/location_calls.h"
#include "api/cloudtasks/service.h"

namespace deferd {

std::shared_ptr<cloudtasks::Service> make_cloud_tasks(CloudTasksOptions options, Runtime& runtime,
                                                      const Clock& clock) {
  return std::make_shared<cloudtasks::Service>(std::move(options), runtime, clock);
}

}  // namespace deferd

namespace deferd::cloudtasks {

// One file each (version_methods.h), which this one need not know.
void add_v2(std::vector<Method>& all);
void add_v2beta3(std::vector<Method>& all);
void add_v2beta2(std::vector<Method>& all);

namespace {

std::vector<Method> make_methods() {
  std::vector<Method> all;
  add_v2(all);
  add_v2beta3(all);
  add_v2beta2(all);
  using P = Permission;
  constexpr std::string_view locations = "google.cloud.location.Locations";
  all.push_back(method<google::cloud::location::ListLocationsRequest,
                       google::cloud::location::ListLocationsResponse, &list_locations>(
      locations, "ListLocations", P::locations_list));
  all.push_back(
      method<google::cloud::location::GetLocationRequest, google::cloud::location::Location,
             &get_location>(locations, "GetLocation", P::locations_get));
  all.push_back(
      method<google::longrunning::GetOperationRequest, google::longrunning::Operation,
             &get_operation>("google.longrunning.Operations", "GetOperation", P::tasks_create));
  return all;
}

}  // namespace

std::span<const Method> methods() {
  static const std::vector<Method> all = make_methods();
  return all;
}

std::span<const std::string_view> services() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> found;
    for (const Method& one : methods()) {
      if (std::ranges::find(found, one.service) == found.end()) found.push_back(one.service);
    }
    return found;
  }();
  return names;
}

}  // namespace deferd::cloudtasks
