// Flags, variables and deferd.yaml laid over each other.
#include <yaml-cpp/yaml.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <cstring>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include "config/apps_yaml.h"
#include "config/nearest_name.h"
#include "config/server_config.h"

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX has it in no header

namespace deferd {
namespace {

constexpr std::size_t file_bytes_max = 1 << 20;  // two thousand times what a full deferd.yaml needs
constexpr std::string_view config_variable = "DEFERD_CONFIG";
// Ours, but not the server's: defer reads these, test programs the last.
constexpr std::string_view variables_of_others[] = {"DEFERD_URL", "DEFERD_CA", "DEFERD_KEY",
                                                    "DEFERD_KEY_FILE", "DEFERD_SEED"};

// One value, with the place to blame in an error and to show in /v1/config.
struct Given {
  std::string text;
  std::string from;
};
using Values =
    std::map<std::string_view, Given>;  // by the setting's name, which lives in the table

const Setting* find_setting(std::string_view name) {
  for (const Setting& setting : settings()) {
    if (setting.name == name) return &setting;
  }
  return nullptr;
}

// deferd.yaml.

Result<std::string> read_file(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in)
    return fail(Reason::invalid,
                file + ": " + std::strerror(errno) + "; --config names a file that can be read");
  std::string text(file_bytes_max + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return fail(Reason::invalid, file + ": cannot be read; --config names a file");
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > file_bytes_max) return fail(Reason::invalid, file + ": is larger than 1MiB");
  return text;
}

Result<std::string> text_of(const Setting& setting, const YAML::Node& value,
                            const std::string& where) {
  const std::string name(setting.name);
  if (setting.kind == SettingKind::list) {
    if (value.IsNull()) return std::string();
    if (value.IsScalar()) return value.Scalar();
    if (value.IsSequence()) {
      std::string joined;
      for (const YAML::Node& item : value) {
        if (!item.IsScalar() || item.Scalar().find(',') != std::string::npos) {
          return fail(Reason::invalid, where + ": " + name + ": each item must be one text", name);
        }
        joined += (joined.empty() ? "" : ",") + item.Scalar();
      }
      return joined;
    }
  }
  if (value.IsScalar()) return value.Scalar();
  return fail(Reason::invalid,
              where + ": " + name + " must be a single value (" + std::string(setting.hint) + ")",
              name);
}

struct Yaml {
  Values values;
  std::optional<AppsYaml> apps;
};

Result<Yaml> read_yaml(const std::string& file) {
  const Result<std::string> text = read_file(file);
  if (!text) return fail(text.error());
  Yaml yaml;
  try {
    const YAML::Node top = YAML::Load(*text);
    if (top.IsNull()) return yaml;  // empty, or comments only
    if (!top.IsMap()) {
      return fail(Reason::invalid,
                  place(file, top.Mark()) +
                      ": must be settings, one a line, like \"listen: 127.0.0.1:8123\"");
    }
    for (const auto& entry : top) {
      const std::string where = place(file, entry.first.Mark());
      const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "";
      if (name == apps_key) {
        if (yaml.apps) return fail(Reason::invalid, where + ": apps is set twice", name);
        Result<AppsYaml> apps = read_apps(file, entry.second, where);
        if (!apps) return fail(apps.error());
        yaml.apps = std::move(*apps);
        continue;
      }
      const Setting* setting = find_setting(name);
      if (setting == nullptr) {
        std::vector<std::string> known = {std::string(apps_key)};
        for (const Setting& each : settings()) known.emplace_back(each.name);
        return fail(
            Reason::invalid,
            where + ": there is no setting \"" + name.substr(0, 80) + "\"" + meant(name, known),
            name);
      }
      Result<std::string> value = text_of(*setting, entry.second, place(file, entry.second.Mark()));
      if (!value) return fail(value.error());
      if (!yaml.values
               .emplace(setting->name, Given{std::move(*value), place(file, entry.second.Mark())})
               .second) {
        return fail(Reason::invalid, where + ": " + name + " is set twice", name);
      }
    }
  } catch (const YAML::Exception& error) {
    return fail(Reason::invalid, place(file, error.mark) + ": is not YAML: " + error.msg);
  }
  return yaml;
}

// DEFERD_*.

Result<Values> read_variables(std::span<const std::string> environment,
                              std::optional<std::string>& file) {
  Values values;
  for (const std::string& entry : environment) {
    if (!entry.starts_with("DEFERD_")) continue;
    const std::size_t equals = entry.find('=');
    const std::string name = entry.substr(0, equals);
    const std::string text = equals == std::string::npos ? "" : entry.substr(equals + 1);
    if (std::ranges::find(variables_of_others, name) != std::end(variables_of_others)) continue;
    if (name == config_variable) {
      file = text;
      continue;
    }
    const Setting* found = nullptr;
    std::vector<std::string> known = {std::string(config_variable)};
    for (const Setting& setting : settings()) {
      known.push_back(variable_of(setting));
      if (known.back() == name) found = &setting;
    }
    if (found == nullptr) {
      return fail(Reason::invalid,
                  name + ": there is no such setting" + meant(name, known) +
                      " (every DEFERD_* variable is one)",
                  name);
    }
    values[found->name] = Given{text, name};
  }
  return values;
}

// Flags.

struct Flags {
  Values values;
  std::optional<std::string> file;
  std::optional<std::string> print;  // --help, --version
};

Result<Flags> read_flags(std::span<const std::string> arguments) {
  CLI::App app("deferd: a durable task queue server");
  app.set_help_flag();
  app.allow_extras();
  app.get_formatter()->column_width(36);
  bool help = false;
  bool version = false;
  std::string file;
  std::map<std::string_view, std::string> texts;
  const auto once = CLI::MultiOptionPolicy::Throw;
  app.add_option("--config", file, "deferd.yaml; a file is read only when it is named")
      ->type_name("FILE")
      ->multi_option_policy(once);
  const ServerConfig defaults;
  for (const Setting& setting : settings()) {
    const std::string is = setting.print(defaults);
    app.add_option(flag_of(setting), texts[setting.name],
                   std::string(setting.about) + (is.empty() ? "" : " [" + is + "]"))
        ->type_name(std::string(setting.hint))
        ->multi_option_policy(once);
  }
  app.add_flag("-h,--help", help, "Print this and end");
  app.add_flag("--version", version, "Print the version and end");
  app.footer(
      "Each is also a variable (DEFERD_LISTEN) and a line of deferd.yaml (listen: ...).\n"
      "Flags win over variables, variables over the file.\n"
      "\nExamples:\n"
      "  deferd                                         on 127.0.0.1:8123, data in ./deferd-data\n"
      "  deferd --data /var/lib/deferd --listen 0.0.0.0:8123 --access-yaml /etc/access.yaml\n"
      "  deferd --config /etc/deferd.yaml --log-level debug\n");
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants them
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    std::string text = error.what();
    return fail(Reason::invalid, text + "; deferd --help lists the flags");
  }
  Flags flags;
  if (help) flags.print = app.help("deferd");
  if (version) flags.print = "deferd " DEFERD_VERSION "\n";
  if (flags.print) return flags;
  if (!app.remaining().empty()) {
    const std::string extra = app.remaining().front();
    const std::string typed = extra.substr(0, extra.find('='));
    std::vector<std::string> known = {"--config", "--help", "--version"};
    for (const Setting& setting : settings()) known.push_back(flag_of(setting));
    return fail(Reason::invalid,
                "there is no flag \"" + typed.substr(0, 80) + "\"" + meant(typed, known) +
                    (meant(typed, known).empty() ? "; deferd --help lists the flags" : ""),
                typed);
  }
  for (const Setting& setting : settings()) {
    if (app.count(flag_of(setting)) > 0)
      flags.values[setting.name] = Given{texts[setting.name], flag_of(setting)};
  }
  if (app.count("--config") > 0) flags.file = file;
  return flags;
}

// All together.

Result<void> lay_over(ServerConfig& config, const Values& values) {
  for (const auto& [name, given] : values) {
    const Setting& setting = *find_setting(name);
    const Result<void> read = setting.read(config, given.text);
    if (!read) {
      // A secret's value is in no message.
      const std::string what =
          setting.secret ? "has a value that cannot be used" : read.error().message;
      const bool in_file = given.from.find(':') != std::string::npos;
      return fail(Reason::invalid,
                  given.from + ": " + (in_file ? std::string(name) + ": " : "") + what,
                  std::string(name));
    }
    config.from[std::string(name)] = given.from;
  }
  return {};
}

// Whoever may add a task makes the server call a URL.
Result<void> check_reach(const ServerConfig& config, const std::string& setting,
                         const HostPort& address) {
  if (config.authentication() || config.allow_unauthenticated || is_loopback(address)) return {};
  return fail(Reason::invalid,
              setting + ": " + to_string(address) +
                  " can be reached from other machines, and nobody would be asked who they are; "
                  "name a file of API keys with --access-yaml (`defer key new NAME` prints what it "
                  "needs), or listen on 127.0.0.1; --allow-unauthenticated true lets anybody in",
              setting);
}

Result<void> check_together(const ServerConfig& config) {
  if (auto ok = check_reach(config, "listen", config.listen); !ok) return ok;
  if (!config.grpc_listen.empty()) {
    const Result<HostPort> grpc = parse_host_port(config.grpc_listen);
    if (!grpc) return fail(grpc.error());
    if (auto ok = check_reach(config, "grpc_listen", *grpc); !ok) return ok;
  }
  if (config.tls_cert.empty() != config.tls_key.empty()) {
    const std::string there = config.tls_key.empty() ? "tls_cert" : "tls_key";
    const std::string missing = config.tls_key.empty() ? "tls_key" : "tls_cert";
    return fail(Reason::invalid,
                there + " is set and " + missing + " is not; TLS needs both, plain text neither",
                missing);
  }
  if (config.task_bytes_max > config.request_bytes_max) {
    return fail(Reason::invalid,
                "task_bytes_max (" + format_bytes(config.task_bytes_max) +
                    ") is above request_bytes_max (" + format_bytes(config.request_bytes_max) +
                    "), so such a task could never be sent",
                "task_bytes_max");
  }
  if (config.request_bytes_max > config.waiting_bytes_max) {
    return fail(Reason::invalid,
                "request_bytes_max (" + format_bytes(config.request_bytes_max) +
                    ") is above waiting_bytes_max (" + format_bytes(config.waiting_bytes_max) +
                    "), so such a call would always be refused",
                "request_bytes_max");
  }
  return {};
}

}  // namespace

Result<ConfigCall> load_config(std::span<const std::string> arguments,
                               std::span<const std::string> environment) {
  ConfigCall call;
  Result<Flags> flags = read_flags(arguments);
  if (!flags) return fail(flags.error());
  if (flags->print) {
    call.wish = ConfigCall::Wish::print;
    call.text = *flags->print;
    return call;
  }
  std::optional<std::string> file;
  const Result<Values> variables = read_variables(environment, file);
  if (!variables) return fail(variables.error());
  if (flags->file) file = flags->file;

  for (const Setting& setting : settings()) call.config.from[std::string(setting.name)] = "default";
  if (file) {
    call.config.file = *file;
    Result<Yaml> yaml = read_yaml(*file);
    if (!yaml) return fail(yaml.error());
    if (const auto applied = lay_over(call.config, yaml->values); !applied) {
      return fail(applied.error());
    }
    if (yaml->apps) {
      call.config.routes.apps = std::move(yaml->apps->apps);
      call.config.from[std::string(apps_key)] = yaml->apps->from;
    }
  }
  if (const auto applied = lay_over(call.config, *variables); !applied)
    return fail(applied.error());
  if (const auto applied = lay_over(call.config, flags->values); !applied)
    return fail(applied.error());
  if (const auto checked = check_together(call.config); !checked) return fail(checked.error());
  return call;
}

Result<ConfigCall> load_config(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  return load_config(arguments, environment);
}

Result<RouteOptions> reread_routes(const ServerConfig& config) {
  Result<Yaml> yaml = read_yaml(config.file);
  if (!yaml) return fail(yaml.error());
  ServerConfig of_file;
  if (const auto applied = lay_over(of_file, yaml->values); !applied) return fail(applied.error());
  RouteOptions routes;
  if (yaml->apps) routes.apps = std::move(yaml->apps->apps);
  const auto from = config.from.find("app_url");
  const bool outside = from != config.from.end() &&
                       (from->second.starts_with("--") || from->second.starts_with("DEFERD_"));
  routes.app_url = outside ? config.routes.app_url : of_file.routes.app_url;
  return routes;
}

std::string config_json(const ServerConfig& config) {
  boost::json::object all;
  for (const Setting& setting : settings()) {
    const std::string text = setting.print(config);
    boost::json::object entry;
    if (setting.secret) {
      entry["secret"] = true;
      entry["set"] = !text.empty();
    } else {
      switch (setting.kind) {
        case SettingKind::number:
          entry["value"] = std::stoull(text);
          break;
        case SettingKind::bytes:
          entry["value"] = parse_bytes(text).value_or(0);
          break;
        case SettingKind::truth:
          entry["value"] = text == "true";
          break;
        case SettingKind::list: {
          boost::json::array items;
          std::stringstream list(text);
          for (std::string item; std::getline(list, item, ',');) items.emplace_back(item);
          entry["value"] = std::move(items);
          break;
        }
        case SettingKind::text:
        case SettingKind::duration:
          entry["value"] = text;
          break;
      }
    }
    const auto from = config.from.find(setting.name);
    entry["from"] = from == config.from.end() ? "default" : from->second;
    all[setting.name] = std::move(entry);
  }
  boost::json::object out;
  out["settings"] = std::move(all);
  out["apps"] = apps_object(config);
  return boost::json::serialize(out);
}

std::string settings_markdown() {
  std::ostringstream out;
  out << "# Settings of deferd\n\n"
         "Every setting is a flag, a `DEFERD_*` variable and a line of `deferd.yaml`. A flag wins "
         "over the variable, the\n"
         "variable over the file, the file over the default. The file is read only when `--config "
         "FILE` or\n"
         "`DEFERD_CONFIG` names it. An unknown name anywhere is an error, with its place and the "
         "name that is nearest.\n"
         "`GET /v1/config` shows what is in force and where each value came from.\n\n"
         "This page is made from the table in `src/config/settings.cc`; a test compares them.\n";
  const ServerConfig defaults;
  for (const Setting& setting : settings()) {
    const std::string is = setting.print(defaults);
    out << "\n## " << setting.name << "\n\n"
        << setting.about << ".\n\n"
        << "`" << flag_of(setting) << ' ' << setting.hint << "` · `" << variable_of(setting)
        << "` · `" << setting.name << ": ...` · default: " << (is.empty() ? "none" : "`" + is + "`")
        << (setting.secret ? " · secret" : "") << "\n";
  }
  out << apps_markdown();
  return out.str();
}

}  // namespace deferd
