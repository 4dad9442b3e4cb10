// How a deferd is set: flags over DEFERD_* variables over deferd.yaml over defaults.
//
// One table, settings(), is the definition of every setting. Flags (--log-level), variables
// (DEFERD_LOG_LEVEL), keys of deferd.yaml (log_level), --help, /v1/config and
// docs/operations/settings.md all come from it, so they cannot differ. Whatever is not in the table
// is an error that says where it stands and which name is near.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "base/time.h"
#include "cron/recurrences.h"
#include "model/app_routes.h"

namespace deferd {

struct HostPort {
  std::string host;        // an address or a name; without the brackets of an IPv6 address
  std::uint16_t port = 0;  // 0: any free port; the log says which

  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// Accepts "127.0.0.1:8123", "localhost:8123", "[::1]:8123".
Result<HostPort> parse_host_port(std::string_view text);
std::string to_string(const HostPort& address);

// Whether only this machine can reach it: localhost, 127.0.0.0/8 or ::1.
bool is_loopback(const HostPort& address);

// Accepts a number of bytes ("65536") or one with a unit ("64KiB", "1MiB", "2GiB").
Result<std::uint64_t> parse_bytes(std::string_view text);
std::string format_bytes(std::uint64_t bytes);

enum class StoreKind : std::uint8_t { rocksdb, memory };
enum class TlsVersionMin : std::uint8_t { v1_2, v1_3 };

// Of App Engine's doors (GAE-spec 5.1, 5.4, 6.2).
enum class AppLimits : std::uint8_t { relaxed, strict };
enum class TransactionalTasks : std::uint8_t { reject, immediate };
enum class AppScaling : std::uint8_t { automatic, manual, basic, flexible };

// How long an attempt of a queue of App Engine's may take, unless the queue or the task says.
Micros app_deadline(AppScaling scaling);

// Valid once load_config() has made it.
struct ServerConfig {
  std::string data = "./deferd-data";
  HostPort listen{"127.0.0.1", 8123};
  std::string grpc_listen;  // HOST:PORT of gRPC alone; empty: none
  std::string tls_cert;     // a file; empty: plain text
  std::string tls_key;      // a file; with tls_cert
  TlsVersionMin tls_min_version = TlsVersionMin::v1_2;
  bool tls_plaintext = false;  // plain text beside TLS
  StoreKind store = StoreKind::rocksdb;
  std::string project = "default";
  std::string location = "local";
  std::string queue_yaml;  // a file; empty: none
  std::string cron_yaml;   // a file; empty: none
  CronMissed cron_missed = CronMissed::run;
  std::string access_yaml;  // a file; empty: none
  bool allow_unauthenticated = false;

  LogLevel log_level = LogLevel::info;
  std::uint32_t shards = 0;            // 0: one for two cores
  std::uint32_t http_threads = 0;      // the same
  std::uint32_t dispatch_threads = 0;  // the same

  std::uint64_t request_bytes_max = 32 << 20;  // the body of one call
  std::uint64_t task_bytes_max = 1 << 20;      // what one task carries: body, url and headers
  std::uint64_t waiting_bytes_max = 64 << 20;  // taken in and not yet durable
  std::uint32_t connections_max = 20'000;
  Micros slow_timeout = Seconds(20);
  Micros idle_timeout = Seconds(300);

  std::uint64_t cache_bytes = 128 << 20;

  std::uint32_t push_connections_max = 10'000;
  std::uint32_t push_connections_per_target_max = 1000;
  std::uint32_t push_redirects_max = 0;
  std::uint64_t push_results_bytes_max = 256 << 20;
  bool push_throttling = false;
  std::vector<std::string> target_allow;
  std::vector<std::string> target_deny;
  std::string ca_file;

  std::string oidc_issuer;  // empty: http(s)://LISTEN
  Micros oidc_key_rotation = std::chrono::hours(30 * 24);
  std::string oauth_metadata_url;  // empty: there are no access tokens

  Micros drain_timeout = Seconds(30);

  // App Engine. `routes` is what app_url and the table `apps` of deferd.yaml say.
  std::string default_app;  // empty: `project`
  RouteOptions routes;
  AppLimits app_limits = AppLimits::relaxed;
  bool auto_create_queues = false;
  TransactionalTasks transactional_tasks = TransactionalTasks::reject;
  AppScaling scaling = AppScaling::automatic;
  std::vector<std::string> tickets;  // secrets
  bool forwarded_for = true;
  bool eta_whole_seconds = false;
  std::string cron_user_ip = "0.1.0.1";

  // Whether callers are asked who they are.
  bool authentication() const { return !access_yaml.empty() || !tickets.empty(); }

  const std::string& app() const { return default_app.empty() ? project : default_app; }

  std::string file;  // deferd.yaml as it was named; empty: none

  // Where each setting's value came from, by its name: "default", "--listen", "DEFERD_LISTEN",
  // "deferd.yaml:3:9".
  std::map<std::string, std::string, std::less<>> from;
};

enum class SettingKind : std::uint8_t { text, number, bytes, duration, list, truth };

struct Setting {
  std::string_view name;  // as in deferd.yaml
  SettingKind kind = SettingKind::text;
  std::string_view hint;   // of the value: "HOST:PORT"
  std::string_view about;  // one sentence, without a full stop
  bool secret = false;     // never printed, logged or served
  // `text` as given; a list comes separated by commas. The error's message speaks of the value
  // alone.
  Result<void> (*read)(ServerConfig& config, std::string_view text);
  // What read() would take.
  std::string (*print)(const ServerConfig& config);
};

std::span<const Setting> settings();

std::string flag_of(const Setting& setting);      // "--log-level"
std::string variable_of(const Setting& setting);  // "DEFERD_LOG_LEVEL"

struct ConfigCall {
  enum class Wish : std::uint8_t {
    serve,
    print
  };  // print: --help or --version; show `text` and end with 0

  Wish wish = Wish::serve;
  ServerConfig config;
  std::string text;
};

// Beside the settings deferd.yaml may have `apps`, a table that no flag could hold:
//
//   apps:
//     shop:                                      # an application, that is a project
//       hostname: shop.example.com
//       url: http://127.0.0.1:8080               # what nothing below names
//       services:
//         worker: http://127.0.0.1:8081          # or version.service, instance.version.service
//       service_url: http://{service}.internal   # services that are not named
//       send_host: task                          # or url
//
// `arguments` without the program's name, `environment` as "NAME=value"; variables that do not
// begin with DEFERD_ are not looked at. Errors have Reason::invalid and are complete: where, what
// was wrong, the value, what would be right.
Result<ConfigCall> load_config(std::span<const std::string> arguments,
                               std::span<const std::string> environment);

// The same from what main() has.
Result<ConfigCall> load_config(int argc, char** argv);

// What the file of `config` says of routes now, for a server that runs: the table apps, and app_url
// unless a flag or a variable said it. Fails as load_config() does when anything in the file is
// wrong.
Result<RouteOptions> reread_routes(const ServerConfig& config);

// Of /v1/config:
// {"settings":{"listen":{"value":"127.0.0.1:8123","from":"default"},..},"apps":{..}}; of a secret
// only whether it is set.
std::string config_json(const ServerConfig& config);

// docs/operations/settings.md; a test compares.
std::string settings_markdown();

}  // namespace deferd
