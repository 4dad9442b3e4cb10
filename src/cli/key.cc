// defer key new NAME
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "auth/api_key.h"
#include "auth/permissions.h"
#include "cli/session.h"

namespace deferd::cli {
namespace {

struct NewKey {
  std::string name;
  std::vector<std::string> roles;
  std::vector<std::string> queues;
};

std::string list_of(const std::vector<std::string>& items) {
  std::string list;
  for (const std::string& item : items) list += (list.empty() ? "" : ", ") + item;
  return "[" + list + "]";
}

// Only made here: no server is asked. The key is shown this once, its hash is for access.yaml.
int key_new(Session& session, const NewKey& wished) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == '+' || c == '@';
  };
  if (!std::ranges::all_of(wished.name, is_plain) || wished.name.starts_with('@')) {
    return session.usage("NAME: \"" + wished.name +
                         "\" is not an email or a word of A-Z a-z 0-9 . _ - + @");
  }
  for (const std::string& role : wished.roles) {
    if (find_role(role) != nullptr) continue;
    std::string all;
    for (const Role& each : roles()) all += (all.empty() ? "" : ", ") + std::string(each.name);
    return session.usage("--role: \"" + role + "\" is none of " + all);
  }
  if (!wished.queues.empty() && session.project.empty())
    return session.usage("--queue: queues are of a project; say which with --project");
  const Result<std::string> key = make_api_key();
  if (!key)
    return session.fail({.exit_code = exit_refused,
                         .message = key.error().message,
                         .status = {},
                         .field = {},
                         .retry_after = {}});
  const std::string hash = to_string(hash_of_key(*key));
  if (session.json()) {
    session.print_json(json::object{{"name", wished.name}, {"key", *key}, {"sha256", hash}});
    return exit_done;
  }
  std::ostream& out = session.world.out;
  out << "key: " << *key << "\n\n"
      << "It is shown this once: give it to its holder. What follows belongs under \"keys:\" of\n"
         "access.yaml; a SIGHUP makes deferd read it.\n\n"
      << "  - name: " << wished.name << "\n    sha256: " << hash << "\n";
  if (!wished.roles.empty()) out << "    roles: " << list_of(wished.roles) << "\n";
  if (!session.project.empty()) out << "    project: " << session.project << "\n";
  if (!wished.queues.empty()) out << "    queues: " << list_of(wished.queues) << "\n";
  return exit_done;
}

}  // namespace

void add_key_commands(CLI::App& app, Session& session) {
  CLI::App* key = app.add_subcommand("key", "API keys that callers show: new");
  key->require_subcommand(1);
  const auto wished = std::make_shared<NewKey>();
  CLI::App* made = key->add_subcommand("new", "Make a key, and the lines of access.yaml for it");
  made->add_option("NAME", wished->name, "What the log and policies call its holder; best an email")
      ->required();
  made->add_option(
          "--role", wished->roles,
          "What it may do: viewer, enqueuer, taskRunner, taskDeleter, queueAdmin, editor or "
          "admin")
      ->type_name("ROLE");
  made->add_option("--queue", wished->queues, "Only for this queue of --project")
      ->type_name("QUEUE");
  made->footer(
      "Examples:\n"
      "  defer key new ops@example.com --role admin\n"
      "  defer key new web@shop.example --role enqueuer --project shop --queue emails");
  made->callback([&session, wished] {
    session.action = [&session, wished] { return key_new(session, *wished); };
  });
}

}  // namespace deferd::cli
