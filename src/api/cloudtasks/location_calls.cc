#include "api/cloudtasks/location_calls.h"

#include <charconv>
#include <string>
#include <utility>

#include "api/cloudtasks/names.h"
#include "api/cloudtasks/page_token.h"

namespace deferd::cloudtasks {
namespace {

google::cloud::location::Location message_of(const LocationName& name) {
  google::cloud::location::Location location;
  location.set_name(name.path());
  location.set_location_id(name.location);
  location.set_display_name(name.location);
  (*location.mutable_labels())["cloud.googleapis.com/region"] = name.location;
  return location;
}

}  // namespace

void list_locations(Service& service, const google::cloud::location::ListLocationsRequest& request,
                    const Context&, Done<google::cloud::location::ListLocationsResponse> done) {
  constexpr std::uint32_t page_max = 1000;
  const auto project = project_of(request.name());
  if (!project) return done(refuse(project.error()));
  const auto size = page_size_of(request.page_size(), page_max);
  if (!size) return done(refuse(size.error()));
  const std::string list = "locations " + request.name();
  const auto after = read_page_token(list, request.page_token(), service.clock.now().wall);
  if (!after) return done(refuse(after.error()));
  std::size_t next = 0;
  std::from_chars(after->data(), after->data() + after->size(), next);
  google::cloud::location::ListLocationsResponse response;
  const auto& locations = service.options.locations;
  for (; next < locations.size() && response.locations_size() < static_cast<int>(*size); ++next)
    *response.add_locations() = message_of({*project, locations[next]});
  if (next < locations.size()) {
    response.set_next_page_token(
        make_page_token(list, std::to_string(next), service.clock.now().wall));
  }
  done(std::move(response));
}

void get_location(Service&, const google::cloud::location::GetLocationRequest& request,
                  const Context&, Done<google::cloud::location::Location> done) {
  const auto name = location_of(request.name());
  if (!name) return done(refuse(name.error()));
  done(message_of(*name));
}

void get_operation(Service& service, const google::longrunning::GetOperationRequest& request,
                   const Context&, Done<google::longrunning::Operation> done) {
  done(service.operations.get(request.name(), service.clock.now().mono));
}

}  // namespace deferd::cloudtasks
