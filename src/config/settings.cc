// The table of settings, and how single values are read and printed.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>

#include "config/server_config.h"
#include "model/duration_text.h"
#include "model/names.h"
#include "model/target_url.h"

namespace deferd {
namespace {

using C = ServerConfig;

std::string quoted(std::string_view text) {
  constexpr std::size_t shown_max = 80;
  std::string out = "\"" + std::string(text.substr(0, shown_max));
  return out + (text.size() > shown_max ? "...\"" : "\"");
}

template <class Number>
bool whole_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// One pair of functions a kind; `member` says where the value lives.

template <auto member>
Result<void> read_path(ServerConfig& config, std::string_view text) {
  if (text.empty()) return fail(Reason::invalid, "is empty; give a path");
  if (text.find('\0') != std::string_view::npos) return fail(Reason::invalid, "has a zero byte");
  config.*member = text;
  return {};
}

// One that may be empty: none.
template <auto member>
Result<void> read_optional_path(ServerConfig& config, std::string_view text) {
  if (!text.empty()) return read_path<member>(config, text);
  (config.*member).clear();
  return {};
}

template <auto member>
std::string print_text(const ServerConfig& config) {
  return config.*member;
}

template <auto member, std::uint32_t least, std::uint32_t most>
Result<void> read_number(ServerConfig& config, std::string_view text) {
  std::uint32_t number = 0;
  if (!whole_number(text, number) || number < least || number > most) {
    return fail(Reason::invalid, quoted(text) + " is not a whole number of " +
                                     std::to_string(least) + " to " + std::to_string(most));
  }
  config.*member = number;
  return {};
}

template <auto member>
std::string print_number(const ServerConfig& config) {
  return std::to_string(config.*member);
}

template <auto member, std::uint64_t least, std::uint64_t most>
Result<void> read_bytes(ServerConfig& config, std::string_view text) {
  const Result<std::uint64_t> bytes = parse_bytes(text);
  if (!bytes) return fail(bytes.error());
  if (*bytes < least || *bytes > most) {
    return fail(Reason::invalid,
                quoted(text) + " is outside " + format_bytes(least) + " to " + format_bytes(most));
  }
  config.*member = *bytes;
  return {};
}

template <auto member>
std::string print_bytes(const ServerConfig& config) {
  return format_bytes(config.*member);
}

template <auto member, std::int64_t least_ms, std::int64_t most_ms>
Result<void> read_duration(ServerConfig& config, std::string_view text) {
  const Result<Micros> duration = parse_duration(text);
  if (!duration) return fail(duration.error());
  if (*duration < Millis(least_ms) || *duration > Millis(most_ms)) {
    return fail(Reason::invalid, quoted(text) + " is outside " + format_duration(Millis(least_ms)) +
                                     " to " + format_duration(Millis(most_ms)));
  }
  config.*member = *duration;
  return {};
}

template <auto member>
std::string print_duration(const ServerConfig& config) {
  return format_duration(config.*member);
}

// "10.0.0.0/8", "fd00::/8", one address, or a word for several networks.
bool is_network(std::string_view text) {
  if (text == "loopback" || text == "private" || text == "all") return true;
  const std::size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  std::array<unsigned char, 16> bytes{};
  const bool v4 = inet_pton(AF_INET, address.c_str(), bytes.data()) == 1;
  if (!v4 && inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) return false;
  if (slash == std::string_view::npos) return true;
  unsigned length = 0;
  return whole_number(text.substr(slash + 1), length) && length <= (v4 ? 32U : 128U);
}

template <auto member>
Result<void> read_networks(ServerConfig& config, std::string_view text) {
  std::vector<std::string> networks;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    std::string_view item = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    if (!is_network(item)) {
      return fail(Reason::invalid, quoted(item) +
                                       " is not a network; write it like 10.0.0.0/8, fd00::/8, "
                                       "192.0.2.7, loopback, private or all");
    }
    networks.emplace_back(item);
  }
  config.*member = std::move(networks);
  return {};
}

template <auto member>
Result<void> read_truth(ServerConfig& config, std::string_view text) {
  if (text != "true" && text != "false") {
    return fail(Reason::invalid, quoted(text) + " is neither true nor false");
  }
  config.*member = text == "true";
  return {};
}

template <auto member>
std::string print_truth(const ServerConfig& config) {
  return config.*member ? "true" : "false";
}

// A word of an enum: `words` has the names in the order of its values.
template <auto member, auto& words>
Result<void> read_word(ServerConfig& config, std::string_view text) {
  std::string all;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == text) {
      config.*member = static_cast<std::remove_reference_t<decltype(config.*member)>>(i);
      return {};
    }
    all += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + std::string(words[i]);
  }
  return fail(Reason::invalid, quoted(text) + " is not one of " + all);
}

template <auto member, auto& words>
std::string print_word(const ServerConfig& config) {
  return std::string(words[static_cast<std::size_t>(config.*member)]);
}

template <auto member>
std::string print_list(const ServerConfig& config) {
  std::string out;
  for (const std::string& item : config.*member) out += (out.empty() ? "" : ",") + item;
  return out;
}

// Settings with a form of their own.

Result<void> read_listen(ServerConfig& config, std::string_view text) {
  Result<HostPort> address = parse_host_port(text);
  if (!address) return fail(address.error());
  config.listen = std::move(*address);
  return {};
}

Result<void> read_grpc_listen(ServerConfig& config, std::string_view text) {
  if (!text.empty()) {
    if (Result<HostPort> address = parse_host_port(text); !address) return fail(address.error());
  }
  config.grpc_listen = text;
  return {};
}

Result<void> read_store(ServerConfig& config, std::string_view text) {
  if (text == "rocksdb") {
    config.store = StoreKind::rocksdb;
  } else if (text == "memory") {
    config.store = StoreKind::memory;
  } else {
    return fail(Reason::invalid,
                quoted(text) + " is not a store; it is rocksdb, or memory (which forgets)");
  }
  return {};
}

// The rules are those of names in queue paths; a queue that is sure to be valid lends the rest.
Result<void> read_project(ServerConfig& config, std::string_view text) {
  if (!QueueName::parse(text, "local", "default")) {
    return fail(Reason::invalid,
                quoted(text) + " is not a project; use 1 to 100 of A-Z a-z 0-9 . _ : -");
  }
  config.project = text;
  return {};
}

Result<void> read_location(ServerConfig& config, std::string_view text) {
  if (!QueueName::parse("default", text, "default")) {
    return fail(Reason::invalid,
                quoted(text) + " is not a location; use 1 to 100 of A-Z a-z 0-9 -");
  }
  config.location = text;
  return {};
}

constexpr std::array<std::pair<std::string_view, LogLevel>, 5> log_levels = {{
    {"debug", LogLevel::debug},
    {"info", LogLevel::info},
    {"warn", LogLevel::warn},
    {"error", LogLevel::error},
    {"off", LogLevel::off},
}};

Result<void> read_log_level(ServerConfig& config, std::string_view text) {
  for (const auto& [name, level] : log_levels) {
    if (name != text) continue;
    config.log_level = level;
    return {};
  }
  return fail(Reason::invalid,
              quoted(text) + " is not a level; it is debug, info, warn, error or off");
}

std::string print_log_level(const ServerConfig& config) {
  for (const auto& [name, level] : log_levels) {
    if (level == config.log_level) return std::string(name);
  }
  return "info";
}

constexpr std::array<std::string_view, 2> tls_versions = {"1.2", "1.3"};

// What App Engine's doors are set by.

constexpr std::array<std::string_view, 2> cron_missed = {"run", "skip"};
constexpr std::array<std::string_view, 2> app_limits = {"relaxed", "strict"};
constexpr std::array<std::string_view, 2> transactional_tasks = {"reject", "immediate"};
constexpr std::array<std::string_view, 4> scalings = {"automatic", "manual", "basic", "flexible"};

Result<void> read_app_url(ServerConfig& config, std::string_view text) {
  if (Result<TargetUrl> url = parse_base_url(text); !url) return fail(url.error());
  config.routes.app_url = text;
  return {};
}

// A base that paths are put behind, as it is written.
template <auto member>
Result<void> read_optional_url(ServerConfig& config, std::string_view text) {
  if (!text.empty()) {
    if (Result<TargetUrl> url = parse_base_url(text); !url) return fail(url.error());
    if (text.ends_with('/')) return fail(Reason::invalid, quoted(text) + " ends with a slash");
  }
  config.*member = text;
  return {};
}

Result<void> read_oauth_metadata_url(ServerConfig& config, std::string_view text) {
  if (text.starts_with("https:")) {
    return fail(Reason::invalid, quoted(text) +
                                     " is https; a metadata server speaks http, from "
                                     "this machine or one step away");
  }
  return read_optional_url<&C::oauth_metadata_url>(config, text);
}

Result<void> read_default_app(ServerConfig& config, std::string_view text) {
  if (!text.empty() && !QueueName::parse(text, "local", "default")) {
    return fail(Reason::invalid,
                quoted(text) + " is not an application; use 1 to 100 of A-Z a-z 0-9 . _ : -");
  }
  config.default_app = text;
  return {};
}

Result<void> read_tickets(ServerConfig& config, std::string_view text) {
  std::vector<std::string> tickets;
  while (!text.empty()) {
    const std::string_view ticket = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), ticket.size() + 1));
    // One line of a header, as it comes back in X-AppEngine-API-Ticket.
    for (const char c : ticket) {
      if (c <= 0x20 || c >= 0x7f) return fail(Reason::invalid, "a ticket is visible ASCII");
    }
    if (!ticket.empty()) tickets.emplace_back(ticket);
  }
  config.tickets = std::move(tickets);
  return {};
}

Result<void> read_cron_user_ip(ServerConfig& config, std::string_view text) {
  std::array<unsigned char, 16> bytes{};
  if (inet_pton(AF_INET, std::string(text).c_str(), bytes.data()) != 1) {
    return fail(Reason::invalid, quoted(text) + " is not an IPv4 address like 0.1.0.1");
  }
  config.cron_user_ip = text;
  return {};
}

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;
constexpr std::uint64_t gib = 1024 * mib;
constexpr std::int64_t hour_ms = 3'600'000;

using K = SettingKind;

constexpr Setting table[] = {
    {.name = "data",
     .kind = K::text,
     .hint = "DIR",
     .about = "The folder that holds everything; made with mode 0700 when it is missing",
     .read = read_path<&C::data>,
     .print = print_text<&C::data>},
    {.name = "listen",
     .kind = K::text,
     .hint = "HOST:PORT",
     .about = "The address of every door; port 0 takes a free one",
     .read = read_listen,
     .print = [](const C& config) { return to_string(config.listen); }},
    {.name = "grpc_listen",
     .kind = K::text,
     .hint = "HOST:PORT",
     .about = "One more address, for gRPC alone, which the first takes too; empty: none",
     .read = read_grpc_listen,
     .print = print_text<&C::grpc_listen>},
    {.name = "tls_cert",
     .kind = K::text,
     .hint = "FILE",
     .about =
         "The server's certificate and those up to its root's (PEM): every address speaks TLS; "
         "read again on SIGHUP; empty: plain text",
     .read = read_optional_path<&C::tls_cert>,
     .print = print_text<&C::tls_cert>},
    {.name = "tls_key",
     .kind = K::text,
     .hint = "FILE",
     .about = "The key of tls_cert (PEM, without a passphrase); read again on SIGHUP",
     .read = read_optional_path<&C::tls_key>,
     .print = print_text<&C::tls_key>},
    {.name = "tls_min_version",
     .kind = K::text,
     .hint = "1.2|1.3",
     .about = "The oldest version of TLS that is spoken",
     .read = read_word<&C::tls_min_version, tls_versions>,
     .print = print_word<&C::tls_min_version, tls_versions>},
    {.name = "tls_plaintext",
     .kind = K::truth,
     .hint = "true|false",
     .about = "Whether callers without TLS are taken too, at the same addresses, when there is a "
              "tls_cert; for the time of a change",
     .read = read_truth<&C::tls_plaintext>,
     .print = print_truth<&C::tls_plaintext>},
    {.name = "store",
     .kind = K::text,
     .hint = "rocksdb|memory",
     .about = "Where tasks are kept; memory forgets them when the server ends and is for trying "
              "out and tests",
     .read = read_store,
     .print =
         [](const C& config) {
           return std::string(config.store == StoreKind::rocksdb ? "rocksdb" : "memory");
         }},
    {.name = "project",
     .kind = K::text,
     .hint = "NAME",
     .about = "The project that /v1/queues/Q means",
     .read = read_project,
     .print = print_text<&C::project>},
    {.name = "location",
     .kind = K::text,
     .hint = "NAME",
     .about = "The location that /v1/queues/Q means",
     .read = read_location,
     .print = print_text<&C::location>},
    {.name = "queue_yaml",
     .kind = K::text,
     .hint = "FILE",
     .about = "App Engine's queue.yaml (or queue.xml) with the queues of the application, applied "
              "at the "
              "start and on SIGHUP; queues that it leaves out are disabled",
     .read = read_optional_path<&C::queue_yaml>,
     .print = print_text<&C::queue_yaml>},
    {.name = "cron_yaml",
     .kind = K::text,
     .hint = "FILE",
     .about =
         "App Engine's cron.yaml with the jobs of the application, applied at the start and on "
         "SIGHUP; jobs that it leaves out are removed",
     .read = read_optional_path<&C::cron_yaml>,
     .print = print_text<&C::cron_yaml>},
    {.name = "cron_missed",
     .kind = K::text,
     .hint = "run|skip",
     .about = "What becomes of a run of a cron job whose time passed while the server was down or "
              "the queue __cron paused: run starts it once, skip leaves it out when it is more "
              "than a minute late; reaches the jobs when cron.yaml is applied",
     .read = read_word<&C::cron_missed, cron_missed>,
     .print = print_word<&C::cron_missed, cron_missed>},
    {.name = "access_yaml",
     .kind = K::text,
     .hint = "FILE",
     .about = "Who may call and what each may do: API keys, issuers of tokens, roles; read at the "
              "start and on SIGHUP; without it and without tickets nobody is asked, and the server "
              "listens on this machine only",
     .read = read_optional_path<&C::access_yaml>,
     .print = print_text<&C::access_yaml>},
    {.name = "allow_unauthenticated",
     .kind = K::truth,
     .hint = "true|false",
     .about = "Whether a server that asks nobody who they are may listen on addresses that other "
              "machines reach: whoever gets there may then read, change and delete everything, and "
              "make this server call URLs",
     .read = read_truth<&C::allow_unauthenticated>,
     .print = print_truth<&C::allow_unauthenticated>},
    {.name = "log_level",
     .kind = K::text,
     .hint = "LEVEL",
     .about = "What is logged to standard error: debug, info, warn, error or off",
     .read = read_log_level,
     .print = print_log_level},
    {.name = "shards",
     .kind = K::number,
     .hint = "N",
     .about = "Threads that own queues; 0 is one for two cores",
     .read = read_number<&C::shards, 0, 256>,
     .print = print_number<&C::shards>},
    {.name = "http_threads",
     .kind = K::number,
     .hint = "N",
     .about = "Threads that read and answer calls; 0 is one for two cores",
     .read = read_number<&C::http_threads, 0, 256>,
     .print = print_number<&C::http_threads>},
    {.name = "dispatch_threads",
     .kind = K::number,
     .hint = "N",
     .about = "Threads that push tasks to their targets; 0 is one for two cores",
     .read = read_number<&C::dispatch_threads, 0, 256>,
     .print = print_number<&C::dispatch_threads>},
    {.name = "request_bytes_max",
     .kind = K::bytes,
     .hint = "BYTES",
     .about = "The largest body of one call; more is refused with 413 while it is being read",
     .read = read_bytes<&C::request_bytes_max, 64 * kib, gib>,
     .print = print_bytes<&C::request_bytes_max>},
    {.name = "task_bytes_max",
     .kind = K::bytes,
     .hint = "BYTES",
     .about = "The most that one task may carry: body, url and headers",
     .read = read_bytes<&C::task_bytes_max, kib, gib>,
     .print = print_bytes<&C::task_bytes_max>},
    {.name = "waiting_bytes_max",
     .kind = K::bytes,
     .hint = "BYTES",
     .about =
         "What may wait between the doors and the disk; past it calls are refused with 429 at once",
     .read = read_bytes<&C::waiting_bytes_max, mib, 64 * gib>,
     .print = print_bytes<&C::waiting_bytes_max>},
    {.name = "connections_max",
     .kind = K::number,
     .hint = "N",
     .about = "Open connections of callers; further ones are closed at once",
     .read = read_number<&C::connections_max, 1, 1'000'000>,
     .print = print_number<&C::connections_max>},
    {.name = "slow_timeout",
     .kind = K::duration,
     .hint = "DURATION",
     .about = "How long a caller may keep the server waiting: for the head of a request, for each "
              "further 4KiB of its body, for "
              "taking the next piece of an answer",
     .read = read_duration<&C::slow_timeout, 100, hour_ms>,
     .print = print_duration<&C::slow_timeout>},
    {.name = "idle_timeout",
     .kind = K::duration,
     .hint = "DURATION",
     .about = "How long a connection may stay open between requests, of gRPC between calls",
     .read = read_duration<&C::idle_timeout, 100, 24 * hour_ms>,
     .print = print_duration<&C::idle_timeout>},
    {.name = "cache_bytes",
     .kind = K::bytes,
     .hint = "BYTES",
     .about = "Memory for what was read from the data folder",
     .read = read_bytes<&C::cache_bytes, mib, 1024 * gib>,
     .print = print_bytes<&C::cache_bytes>},
    {.name = "push_connections_max",
     .kind = K::number,
     .hint = "N",
     .about = "Connections to targets at once, and so attempts that are under way; each takes a "
              "file descriptor",
     .read = read_number<&C::push_connections_max, 1, 1'000'000>,
     .print = print_number<&C::push_connections_max>},
    {.name = "push_connections_per_target_max",
     .kind = K::number,
     .hint = "N",
     .about = "The same for one target (scheme, host, port), so that a slow one leaves room for "
              "the others",
     .read = read_number<&C::push_connections_per_target_max, 1, 1'000'000>,
     .print = print_number<&C::push_connections_per_target_max>},
    {.name = "push_redirects_max",
     .kind = K::number,
     .hint = "N",
     .about = "Redirects that one attempt follows, within its deadline; 0: an answer 3xx is a "
              "failure like others, as it always is for applications of App Engine",
     .read = read_number<&C::push_redirects_max, 0, 20>,
     .print = print_number<&C::push_redirects_max>},
    {.name = "push_results_bytes_max",
     .kind = K::bytes,
     .hint = "BYTES",
     .about =
         "Memory for what targets answer to tasks that keep their results, from its first byte "
         "until it is committed, over all attempts; what there is no room for is cut off, and "
         "the result says so",
     .read = read_bytes<&C::push_results_bytes_max, 64 * kib, 1024 * gib>,
     .print = print_bytes<&C::push_results_bytes_max>},
    {.name = "push_throttling",
     .kind = K::truth,
     .hint = "true|false",
     .about = "Whether a queue is slowed down, below its own rate, while its targets answer 429 or "
              "503 or fail; its statistics show the rate in force, and the log says so",
     .read = read_truth<&C::push_throttling>,
     .print = print_truth<&C::push_throttling>},
    {.name = "target_deny",
     .kind = K::list,
     .hint = "NETWORK,...",
     .about = "Where tasks are not pushed to: networks (10.0.0.0/8), addresses, or loopback, "
              "private, all; link-local and metadata "
              "addresses and the server's own are refused in any case",
     .read = read_networks<&C::target_deny>,
     .print = print_list<&C::target_deny>},
    {.name = "target_allow",
     .kind = K::list,
     .hint = "NETWORK,...",
     .about = "Exceptions from target_deny, written alike; the narrower network decides, and deny "
              "at equal width",
     .read = read_networks<&C::target_allow>,
     .print = print_list<&C::target_allow>},
    {.name = "ca_file",
     .kind = K::text,
     .hint = "FILE",
     .about = "Certificates (PEM) that https targets may be signed by, beside the system's",
     .read = [](C& config, std::string_view text) -> Result<void> {
       if (text.empty()) {
         config.ca_file.clear();
         return {};
       }
       return read_path<&C::ca_file>(config, text);
     },
     .print = print_text<&C::ca_file>},
    {.name = "oidc_issuer",
     .kind = K::text,
     .hint = "URL",
     .about = "The issuer (iss) of the identity tokens that pushes carry: where verifiers reach "
              "this server; empty: the address of listen, with http:// or, with tls_cert, https://",
     .read = read_optional_url<&C::oidc_issuer>,
     .print = print_text<&C::oidc_issuer>},
    {.name = "oidc_key_rotation",
     .kind = K::duration,
     .hint = "DURATION",
     .about = "How long a key signs identity tokens before the next does",
     .read = read_duration<&C::oidc_key_rotation, 24 * hour_ms, 3650 * 24 * hour_ms>,
     .print = print_duration<&C::oidc_key_rotation>},
    {.name = "oauth_metadata_url",
     .kind = K::text,
     .hint = "URL",
     .about = "The metadata server that OAuth tokens of pushes are asked of, like "
              "http://metadata.google.internal; empty: pushes that ask for one fail",
     .read = read_oauth_metadata_url,
     .print = print_text<&C::oauth_metadata_url>},
    {.name = "drain_timeout",
     .kind = K::duration,
     .hint = "DURATION",
     .about = "After SIGTERM, how long running attempts may take to end before the server stops "
              "without them",
     .read = read_duration<&C::drain_timeout, 0, hour_ms>,
     .print = print_duration<&C::drain_timeout>},
    {.name = "default_app",
     .kind = K::text,
     .hint = "NAME",
     .about = "The application that App Engine's SDKs speak for when a call does not tell; without "
              "it the project",
     .read = read_default_app,
     .print = print_text<&C::default_app>},
    {.name = "app_url",
     .kind = K::text,
     .hint = "URL",
     .about =
         "Where the relative URLs of App Engine's tasks go, unless the table apps knows better",
     .read = read_app_url,
     .print = [](const C& config) { return config.routes.app_url; }},
    {.name = "scaling",
     .kind = K::text,
     .hint = "automatic|manual|basic|flexible",
     .about = "How long App Engine's queues let an attempt take, unless queue or task say: 10 "
              "minutes with automatic scaling, 24 hours with manual and basic, 60 minutes in the "
              "flexible environment",
     .read = read_word<&C::scaling, scalings>,
     .print = print_word<&C::scaling, scalings>},
    {.name = "limits",
     .kind = K::text,
     .hint = "relaxed|strict",
     .about = "The limits that App Engine's doors check: strict is App Engine's own (100 KiB a "
              "push task, ETAs within 30 days, 500 tasks a second), relaxed is this server's",
     .read = read_word<&C::app_limits, app_limits>,
     .print = print_word<&C::app_limits, app_limits>},
    {.name = "auto_create_queues",
     .kind = K::truth,
     .hint = "true|false",
     .about = "Whether an App Engine task makes the queue that it names, when there is none",
     .read = read_truth<&C::auto_create_queues>,
     .print = print_truth<&C::auto_create_queues>},
    {.name = "transactional_tasks",
     .kind = K::text,
     .hint = "reject|immediate",
     .about = "What becomes of tasks that are added in a transaction of App Engine's datastore, "
              "which this server has no part in: reject is an error, immediate adds them at once "
              "and logs a warning",
     .read = read_word<&C::transactional_tasks, transactional_tasks>,
     .print = print_word<&C::transactional_tasks, transactional_tasks>},
    {.name = "tickets",
     .kind = K::list,
     .hint = "SECRET,...",
     .about =
         "Secrets that App Engine's SDKs may carry as their ticket, each an operator's; with one "
         "set every call needs one, the ticket of a push, or what access_yaml knows",
     .secret = true,
     .read = read_tickets,
     .print = print_list<&C::tickets>},
    {.name = "forwarded_for",
     .kind = K::truth,
     .hint = "true|false",
     .about = "Whether pushes to applications have an X-Forwarded-For, as App Engine's had",
     .read = read_truth<&C::forwarded_for>,
     .print = print_truth<&C::forwarded_for>},
    {.name = "eta_whole_seconds",
     .kind = K::truth,
     .hint = "true|false",
     .about =
         "Whether X-AppEngine-TaskETA has whole seconds only, which is all that Go's SDK reads",
     .read = read_truth<&C::eta_whole_seconds>,
     .print = print_truth<&C::eta_whole_seconds>},
    {.name = "cron_user_ip",
     .kind = K::text,
     .hint = "ADDRESS",
     .about = "X-AppEngine-User-IP of cron jobs; that of tasks is always 0.1.0.2",
     .read = read_cron_user_ip,
     .print = print_text<&C::cron_user_ip>},
};

}  // namespace

std::span<const Setting> settings() { return table; }

Micros app_deadline(AppScaling scaling) {
  switch (scaling) {
    case AppScaling::automatic:
      return std::chrono::minutes(10);
    case AppScaling::manual:
    case AppScaling::basic:
      return std::chrono::hours(24);
    case AppScaling::flexible:
      return std::chrono::minutes(60);
  }
  return std::chrono::minutes(10);
}

std::string flag_of(const Setting& setting) {
  std::string flag = "--" + std::string(setting.name);
  for (char& c : flag) {
    if (c == '_') c = '-';
  }
  return flag;
}

std::string variable_of(const Setting& setting) {
  std::string variable = "DEFERD_" + std::string(setting.name);
  for (char& c : variable) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return variable;
}

Result<HostPort> parse_host_port(std::string_view text) {
  const auto bad = [&] {
    return fail(
        Reason::invalid,
        quoted(text) +
            " is not an address; write it like 127.0.0.1:8123, localhost:8123 or [::1]:8123");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return bad();
  HostPort address;
  if (!whole_number(text.substr(colon + 1), address.port)) return bad();
  std::string_view host = text.substr(0, colon);
  if (host.front() == '[') {
    if (host.size() < 4 || host.back() != ']') return bad();
    host = host.substr(1, host.size() - 2);
    std::array<unsigned char, 16> bytes{};
    if (inet_pton(AF_INET6, std::string(host).c_str(), bytes.data()) != 1) return bad();
  } else {
    constexpr std::size_t host_chars_max = 253;  // of a DNS name
    if (host.size() > host_chars_max) return bad();
    for (const char c : host) {
      const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
      if (!fine) return bad();
    }
  }
  address.host = host;
  return address;
}

bool is_loopback(const HostPort& address) {
  std::array<unsigned char, 4> bytes{};
  if (inet_pton(AF_INET, address.host.c_str(), bytes.data()) == 1) return bytes[0] == 127;
  return address.host == "localhost" || address.host == "::1";
}

std::string to_string(const HostPort& address) {
  const bool v6 = address.host.find(':') != std::string::npos;
  return (v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
  const auto bad = [&] {
    return fail(Reason::invalid,
                quoted(text) + " is not a size; write it like 65536, 64KiB, 1MiB or 2GiB");
  };
  constexpr std::array<std::pair<std::string_view, std::uint64_t>, 3> units = {
      {{"KiB", kib}, {"MiB", mib}, {"GiB", gib}}};
  std::string_view digits = text;
  std::uint64_t unit = 1;
  for (const auto& [name, size] : units) {
    if (!text.ends_with(name)) continue;
    unit = size;
    digits = text.substr(0, text.size() - name.size());
  }
  std::uint64_t number = 0;
  if (!whole_number(digits, number) || number > UINT64_MAX / unit) return bad();
  return number * unit;
}

std::string format_bytes(std::uint64_t bytes) {
  if (bytes != 0 && bytes % gib == 0) return std::to_string(bytes / gib) + "GiB";
  if (bytes != 0 && bytes % mib == 0) return std::to_string(bytes / mib) + "MiB";
  if (bytes != 0 && bytes % kib == 0) return std::to_string(bytes / kib) + "KiB";
  return std::to_string(bytes);
}

}  // namespace deferd
