// The table `apps` of deferd.yaml: where the services of App Engine applications are. It has levels
// that a flag or a variable cannot have, so it stands in the file only.
#pragma once

#include <yaml-cpp/yaml.h>

#include <boost/json/object.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/server_config.h"

namespace deferd {

constexpr std::string_view apps_key = "apps";

struct AppsYaml {
  std::map<std::string, AppRoutes, std::less<>> apps;
  std::string from;  // "deferd.yaml:3:1"
};

// Errors are complete, with "FILE:LINE:COLUMN: ". `from` is the place of the key.
Result<AppsYaml> read_apps(const std::string& file, const YAML::Node& node,
                           const std::string& from);

// Of /v1/config: {"value":{"shop":{"hostname":...}},"from":"deferd.yaml:3:1"}.
boost::json::object apps_object(const ServerConfig& config);

// Its section of docs/operations/settings.md.
std::string apps_markdown();

// For all readers of deferd.yaml.

// "FILE:LINE:COLUMN"
std::string place(const std::string& file, const YAML::Mark& mark);
// "; did you mean listen?", or nothing.
std::string meant(std::string_view typed, const std::vector<std::string>& known);

}  // namespace deferd
