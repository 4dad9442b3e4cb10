#include "worker/worker_cli.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "base/log.h"
#include "config/server_config.h"
#include "model/duration_text.h"
#include "worker/find_python.h"
#include "worker/sandbox.h"
#include "worker/work_loop.h"

namespace deferd {
namespace {

namespace asio = boost::asio;

struct Arguments {
  std::string server = "http://127.0.0.1:8123";
  std::string ca_file;
  std::string key_file;
  WorkOptions work;
  SandboxOptions sandbox;
  std::string name;
  std::string input = "stdin";
  std::vector<std::string> environment;
  Micros drain = Seconds(30);
  std::string python_module;
};

void add_duration(CLI::App& app, const std::string& name, Micros& value, const std::string& about) {
  app.add_option_function<std::string>(
         name,
         [&value, name](const std::string& text) {
           const auto parsed = parse_duration(text);
           if (!parsed || *parsed <= Micros(0)) {
             throw CLI::ValidationError(name,
                                        parsed ? text + " is not above 0" : parsed.error().message);
           }
           value = *parsed;
         },
         about)
      ->type_name("DURATION")
      ->default_str(value > Micros(0) ? format_duration(value) : "none");
}

void add_bytes(CLI::App& app, const std::string& name, std::uint64_t& value,
               const std::string& about) {
  app.add_option_function<std::string>(
         name,
         [&value, name](std::string text) {
           // "256M", as other tools take their limits of memory.
           if (text.ends_with('K') || text.ends_with('M') || text.ends_with('G')) text += "iB";
           const auto parsed = parse_bytes(text);
           if (!parsed) throw CLI::ValidationError(name, parsed.error().message);
           value = *parsed;
         },
         about)
      ->type_name("BYTES")
      ->default_str(format_bytes(value));
}

void define(CLI::App& app, Arguments& arguments) {
  WorkOptions& work = arguments.work;
  SandboxOptions& sandbox = arguments.sandbox;
  Limits& limits = sandbox.limits;
  app.add_option("--server", arguments.server, "the server")
      ->envname("DEFERD_SERVER")
      ->capture_default_str();
  app.add_option("--ca", arguments.ca_file,
                 "PEM file of certificates to trust beside the system's");
  app.add_option("--key-file", arguments.key_file,
                 "file with the API key; else DEFERD_KEY of the environment");
  app.add_option("--queue", work.queue, "the pull queue")->required();
  app.add_option("--name", arguments.name,
                 "who this worker is, as tasks and histories show it; else its host and process")
      ->check([](const std::string& name) {
        return name.size() <= 100 ? "" : "is longer than 100 bytes";
      });
  app.add_option("--concurrency", sandbox.concurrency, "how many tasks run at once")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--input", arguments.input,
                 "the payload goes to the program on `stdin`, or as `arguments`: a JSON array of "
                 "texts, or one text")
      ->check(CLI::IsMember({"stdin", "arguments"}))
      ->capture_default_str();
  // One value each time, else the next ones and the -- of the command would be theirs.
  app.add_option("--env", arguments.environment,
                 "NAME=VALUE, or NAME of the worker's own environment; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--show", sandbox.show,
                 "a folder or file that tasks may read beside the system's; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--never-again", work.never_again_code,
                 "the exit code that says that trying again is of no use")
      ->capture_default_str();
  app.add_flag("--warm", sandbox.warm,
               "the program is a warm handler: loaded once, each task runs in a fork of it");
  app.add_option("--python", arguments.python_module,
                 "a module, or a file, with tasks of deferd's Python library: a warm handler");
  add_duration(app, "--load-time", sandbox.load_time, "how long a warm handler may take to load");
  add_duration(app, "--lease", work.lease, "how long one lease is; renewed while a task runs");
  add_duration(app, "--drain", arguments.drain, "how long running tasks may take after SIGTERM");
  add_duration(app, "--wall-time", limits.wall_time, "of a task");
  add_duration(app, "--cpu-time", limits.cpu_time, "of a task, all its processes together");
  add_bytes(app, "--memory", limits.memory_bytes, "of a task, its /tmp included");
  add_bytes(app, "--disk", limits.disk_bytes, "of a task's /tmp");
  add_bytes(app, "--output", limits.output_bytes, "of a task's stdout, up to 1MiB");
  add_bytes(app, "--log", limits.log_bytes, "that is kept of a task's stderr");
  app.add_option("--processes", limits.processes, "of a task, threads included")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--open-files", limits.open_files, "of a task's process")
      ->check(CLI::Range(8, 1'000'000))
      ->capture_default_str();
  app.add_flag("--network", limits.network, "tasks may use the host's network");
  app.add_option("--unenforced", sandbox.unenforced,
                 "a limit whose lack is accepted where the system cannot enforce it: memory, "
                 "processes, cpu_time; may be repeated")
      ->allow_extra_args(false);
  app.add_option("command", sandbox.command, "the program and its arguments, after --");
}

Result<std::string> read_key(const Arguments& arguments) {
  if (arguments.key_file.empty()) {
    const char* const key = std::getenv("DEFERD_KEY");
    return std::string(key != nullptr ? key : "");
  }
  std::ifstream in(arguments.key_file);
  std::string key;
  if (!std::getline(in, key))
    return fail(Reason::invalid, "--key-file: " + arguments.key_file + " cannot be read");
  return key;
}

Result<std::vector<std::string>> environment_of(const std::vector<std::string>& given) {
  std::vector<std::string> environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp",
                                          "LANG=C.UTF-8"};
  for (const std::string& one : given) {
    if (one.find('=') != std::string::npos) {
      environment.push_back(one);
      continue;
    }
    const char* const value = std::getenv(one.c_str());
    if (value == nullptr)
      return fail(Reason::invalid, "--env: the environment has no " + one + "; write NAME=VALUE");
    environment.push_back(one + "=" + value);
  }
  return environment;
}

// What --python is short for, with what it needs shown to it.
Result<void> choose_command(Arguments& arguments) {
  SandboxOptions& sandbox = arguments.sandbox;
  if (arguments.python_module.empty()) {
    if (!sandbox.command.empty()) return {};
    return fail(Reason::invalid, "command: give the program after --, or --python MODULE");
  }
  if (!sandbox.command.empty())
    return fail(Reason::invalid, "--python: it is the command; give none after --");
  auto python = find_python();
  if (!python) return fail(python.error());
  if (arguments.python_module.ends_with(".py")) {
    const auto file = std::filesystem::absolute(arguments.python_module).lexically_normal();
    arguments.python_module = file.string();
    sandbox.show.push_back(arguments.python_module);
  }
  sandbox.warm = true;
  sandbox.command = {python->program, "-m", "deferd.worker", arguments.python_module};
  sandbox.environment.push_back("PYTHONPATH=" + python->import_path);
  for (const std::string& folder : python->folders) sandbox.show.push_back(folder);
  return {};
}

// Who holds a lease, for people to find: "host/pid".
std::string worker_name(const Arguments& arguments) {
  if (!arguments.name.empty()) return arguments.name;
  std::array<char, 64> host = {};
  (void)::gethostname(host.data(), host.size() - 1);
  return std::string(host.data()) + "/" + std::to_string(::getpid());
}

int complain(const std::string& message, int code) {
  std::cerr << "deferd-worker: " << message << '\n';
  return code;
}

}  // namespace

int run_worker(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Runs a program for each task of a pull queue, each in a sandbox of its own.",
               "deferd-worker");
  define(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  arguments.work.input = arguments.input == "stdin" ? TaskInput::on_stdin : TaskInput::as_arguments;
  auto environment = environment_of(arguments.environment);
  if (!environment) return complain(environment.error().message, 2);
  arguments.sandbox.environment = std::move(*environment);
  const auto server = parse_target_url(arguments.server);
  if (!server) return complain("--server: " + server.error().message, 2);
  const auto key = read_key(arguments);
  if (!key) return complain(key.error().message, 2);
  if (arguments.sandbox.limits.output_bytes > result_bytes_max)
    return complain("--output: a result is at most 1MiB", 2);
  if (auto ok = choose_command(arguments); !ok) return complain(ok.error().message, 2);
  if (arguments.sandbox.warm && arguments.work.input == TaskInput::as_arguments)
    return complain("--input: a warm handler is given its payload by the library", 2);
  arguments.work.limits = arguments.sandbox.limits;
  arguments.work.concurrency = arguments.sandbox.concurrency;

  asio::io_context io(1);
  auto sandboxes = Sandboxes::make(io, arguments.sandbox);
  if (!sandboxes) {
    return complain(sandboxes.error().message, sandboxes.error().reason == Reason::invalid ? 2 : 1);
  }
  for (const std::string& line : (*sandboxes)->enforcement()) log_info("limit", {{"by", line}});
  auto link = QueueLink::make(io.get_executor(), {*server, arguments.work.queue, *key,
                                                  arguments.ca_file, worker_name(arguments)});
  if (!link) return complain(link.error().message, 2);

  asio::signal_set signals(io, SIGTERM, SIGINT);
  asio::steady_timer patience(io);
  // Stopped, not left to run dry: the keeper of the sandboxes is heard as long as it lives.
  auto loop = WorkLoop::start(io, arguments.work, **link, **sandboxes, [&] { io.stop(); });
  log_info("worker.started", {{"queue", arguments.work.queue},
                              {"server", arguments.server},
                              {"concurrency", arguments.work.concurrency}});
  signals.async_wait([&](boost::system::error_code error, int) {
    if (error) return;
    log_info("worker.draining", {{"drain", format_duration(arguments.drain)}});
    loop->drain();
    patience.expires_after(arguments.drain);
    patience.async_wait([&](boost::system::error_code cancelled) {
      if (!cancelled) loop->stop();
    });
    signals.async_wait([&](boost::system::error_code again, int) {
      if (!again) loop->stop();
    });
  });
  io.run();
  log_info("worker.stopped");
  return 0;
}

}  // namespace deferd
