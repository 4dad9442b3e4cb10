// What `defer apply` and `defer cron apply` share: a file goes to the server twice, for the plan
// and to be carried out, with the question in between.
#pragma once

#include <string>
#include <string_view>

#include "cli/session.h"

namespace deferd::cli {

struct UploadOptions {
  std::string file;  // "-": standard input
  bool plan = false;
  bool yes = false;
};

// FILE, --plan and --yes.
void add_upload_options(CLI::App& command, UploadOptions& options, const std::string& about_file);

struct Upload {
  std::string path;              // of the endpoint; takes ?plan=true
  std::string_view server_name;  // what the server calls the body in its complaints
  std::string text;
  // Shows a plan and gives the number of changes.
  std::size_t (*print_plan)(Session& session, const json::value& plan) = nullptr;
};

// The exit code of the command.
int upload(Session& session, const UploadOptions& options, const Upload& what);

}  // namespace deferd::cli
