#include "cli/defer.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/session.h"
#include "config/nearest_name.h"
#include "model/duration_text.h"

namespace deferd::cli {
namespace {

constexpr std::string_view default_url = "http://127.0.0.1:8123";

// The nearest command or flag to a word that no parser took.
std::string meant(const CLI::App& app, const std::string& typed) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  std::vector<std::string> known;
  for (const CLI::App* owner : {at, &app}) {
    if (typed.starts_with('-')) {
      for (const CLI::Option* option : owner->get_options()) {
        if (!option->get_lnames().empty()) known.push_back("--" + option->get_lnames().front());
      }
    } else if (owner == at) {
      for (const CLI::App* command : owner->get_subcommands([](const CLI::App*) { return true; })) {
        known.push_back(command->get_name());
      }
    }
  }
  const std::vector<std::string_view> views(known.begin(), known.end());
  const auto nearest = nearest_name(typed, views);
  return nearest ? "; did you mean " + std::string(*nearest) + "?" : "";
}

// No flag takes the key itself: whoever lists the processes of this machine would read it.
std::optional<std::string> read_key(Session& session) {
  if (session.key_file.empty())
    session.key_file = session.world.variable("DEFERD_KEY_FILE").value_or("");
  std::string from = "DEFERD_KEY";
  if (session.key_file.empty()) {
    session.key = session.world.variable("DEFERD_KEY").value_or("");
  } else {
    constexpr std::size_t key_file_bytes_max = 64 << 10;
    from = session.key_file;
    Outcome<std::string> text = read_all(session, session.key_file, key_file_bytes_max);
    if (!text) return "--key-file: " + text.error().message;
    while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
    if (text->empty()) return "--key-file: " + from + ": is empty";
    session.key = std::move(*text);
  }
  for (const char c : session.key) {
    if (c <= 0x20 || c >= 0x7f)
      return from + ": is not a key or a token: one line of visible ASCII";
  }
  return std::nullopt;
}

// What every command takes, checked once the command is known.
std::optional<std::string> check(Session& session) {
  if (session.url.empty())
    session.url = session.world.variable("DEFERD_URL").value_or(std::string(default_url));
  if (session.url.find("://") == std::string::npos) session.url = "http://" + session.url;
  const Result<TargetUrl> server = parse_target_url(session.url);
  if (!server) return "--url: " + server.error().message;
  if (server->path != "/")
    return "--url: " + session.url + " has a path; give scheme, host and port alone";
  session.server = *server;
  if (session.ca_file.empty()) session.ca_file = session.world.variable("DEFERD_CA").value_or("");
  if (auto wrong = read_key(session)) return wrong;
  const Result<Micros> timeout = parse_duration(session.timeout_text);
  if (!timeout) return "--timeout: " + timeout.error().message;
  if (*timeout < Millis(1))
    return "--timeout: " + session.timeout_text + " is too short; 30s is the default";
  session.timeout = *timeout;
  return std::nullopt;
}

}  // namespace

int run_defer(std::span<const std::string> arguments, World& world) {
  Session session(world);
  CLI::App app("defer: the command line of a deferd server");
  app.name("defer");
  app.fallthrough();  // --json may stand anywhere
  app.get_formatter()->column_width(34);
  app.add_option("--url", session.url, "The server; DEFERD_URL, or " + std::string(default_url))
      ->type_name("URL");
  app.add_option("--ca", session.ca_file,
                 "Certificates (PEM) that an https server's may be signed by; DEFERD_CA")
      ->type_name("FILE");
  app.add_option("--project", session.project, "Not the server's own project")->type_name("NAME");
  app.add_option("--location", session.location, "Not the server's own location")
      ->type_name("NAME");
  app.add_option(
         "--key-file", session.key_file,
         "A file with the API key or token to call with; DEFERD_KEY_FILE, or the key itself "
         "in DEFERD_KEY")
      ->type_name("FILE");
  app.add_option("--timeout", session.timeout_text, "How long to wait for an answer; 30s")
      ->type_name("DURATION");
  CLI::Option* as_json =
      app.add_flag("--json", session.json_wished, "JSON, one object a line; also when piped");
  app.add_flag("--table", session.table_wished, "Tables, also when piped")->excludes(as_json);
  app.set_version_flag("--version", "defer " DEFERD_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done, 1 the server said no, 2 wrong usage, 3 the server cannot be reached,\n"
      "4 the server could not just now (try again). Any other code is a failure too.\n"
      "\nExamples:\n"
      "  defer add default http://localhost:9000/hello -d 'good morning'\n"
      "  defer stats --watch\n"
      "  defer queues set mail --rate 5/s");
  add_queues_commands(app, session);
  add_add_command(app, session);
  add_batch_command(app, session);
  add_apply_command(app, session);
  add_tasks_commands(app, session);
  add_result_commands(app, session);
  add_dead_commands(app, session);
  add_lease_commands(app, session);
  add_stats_command(app, session);
  add_cron_commands(app, session);
  add_server_commands(app, session);
  add_key_commands(app, session);
  add_completion_commands(app, session);

  // Half a command line is not for the parser.
  if (arguments.size() >= 2 && arguments[0] == "complete" && arguments[1] == "--") {
    return check(session) ? exit_usage : complete(session, app, arguments.subspan(2));
  }
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants them
    app.parse(std::move(reversed));
  } catch (const CLI::Success& help) {  // --help, --version
    return app.exit(help, world.out, world.err) == 0 ? exit_done : exit_usage;
  } catch (const CLI::ParseError& error) {
    const std::vector<std::string> extras = app.remaining(true);
    if (extras.empty()) return session.usage(std::string(error.what()) + "; --help tells more");
    return session.usage("\"" + extras.front() + "\" is not known here" +
                         meant(app, extras.front()) + "; --help lists what is");
  }
  if (const auto wrong = check(session)) return session.usage(*wrong);
  const int exit_code = session.action();
  world.out.flush();
  return exit_code;
}

}  // namespace deferd::cli
