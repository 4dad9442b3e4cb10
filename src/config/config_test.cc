// Precedence, unknown names and bad values of every kind, and that the documentation is the table.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/nearest_name.h"
#include "config/server_config.h"

namespace deferd {
namespace {

using testing::HasSubstr;
using testing::Not;

class Config : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "deferd-config-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    file_ = folder_ + "/deferd.yaml";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(std::string_view text) { std::ofstream(file_, std::ios::binary) << text; }

  static Result<ConfigCall> load(std::vector<std::string> arguments,
                                 std::vector<std::string> environment = {}) {
    return load_config(arguments, environment);
  }
  // What loading a file with this text says; empty when it is fine.
  std::string complaint(std::string_view text) {
    write(text);
    const auto call = load({"--config", file_});
    return call ? "" : call.error().message;
  }
  static std::string flag_complaint(std::vector<std::string> arguments) {
    const auto call = load(std::move(arguments));
    return call ? "" : call.error().message;
  }

  std::string folder_;
  std::string file_;
};

TEST_F(Config, NothingGivenIsTheDefaults) {
  const auto call = load({}, {"PATH=/bin", "HOME=/root"});
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_EQ(call->wish, ConfigCall::Wish::serve);
  EXPECT_EQ(call->config.data, "./deferd-data");
  EXPECT_EQ(to_string(call->config.listen), "127.0.0.1:8123");
  EXPECT_EQ(call->config.from.at("listen"), "default");
}

TEST_F(Config, FlagsWinOverVariablesOverFileOverDefaults) {
  write("listen: 127.0.0.1:1\nlog_level: warn\nshards: 3\n");
  const auto call = load({"--config", file_, "--listen", "127.0.0.1:3"},
                         {"DEFERD_LISTEN=127.0.0.1:2", "DEFERD_LOG_LEVEL=error"});
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_EQ(call->config.listen.port, 3);
  EXPECT_EQ(call->config.log_level, LogLevel::error);
  EXPECT_EQ(call->config.shards, 3U);
  EXPECT_EQ(call->config.project, "default");
  EXPECT_EQ(call->config.from.at("listen"), "--listen");
  EXPECT_EQ(call->config.from.at("log_level"), "DEFERD_LOG_LEVEL");
  EXPECT_EQ(call->config.from.at("shards"), file_ + ":3:9");
  EXPECT_EQ(call->config.from.at("project"), "default");
}

// Whatever the table holds can be said in all three ways, and reads back as it is printed.
TEST_F(Config, EverySettingIsAFlagAVariableAndALine) {
  for (const Setting& setting : settings()) {
    SCOPED_TRACE(setting.name);
    const std::string text = setting.kind == SettingKind::list ? "10.0.0.0/8,::1,private"
                                                               : setting.print(ServerConfig{});
    if (text.empty()) continue;
    const auto by_flag = load({flag_of(setting) + "=" + text});
    ASSERT_TRUE(by_flag) << by_flag.error().message;
    EXPECT_EQ(setting.print(by_flag->config), text);
    const auto by_variable = load({}, {variable_of(setting) + "=" + text});
    ASSERT_TRUE(by_variable) << by_variable.error().message;
    EXPECT_EQ(setting.print(by_variable->config), text);
    write(std::string(setting.name) + ": \"" + text + "\"\n");
    const auto by_line = load({"--config", file_});
    ASSERT_TRUE(by_line) << by_line.error().message;
    EXPECT_EQ(setting.print(by_line->config), text);
  }
}

TEST_F(Config, OtherMachinesReachOnlyAServerThatAsksWhoCalls) {
  for (const char* address : {"0.0.0.0:8123", "[::]:8123", "10.0.0.1:80", "example.com:80"}) {
    const std::string complaint = flag_complaint({"--listen", address});
    EXPECT_THAT(complaint, testing::StartsWith("listen: " + std::string(address) +
                                               " can be reached from other machines"));
    EXPECT_THAT(complaint, HasSubstr("--access-yaml"));
    EXPECT_THAT(flag_complaint({"--grpc-listen", address}), testing::StartsWith("grpc_listen: "));
    EXPECT_TRUE(load({"--listen", address, "--access-yaml", "access.yaml"}));
    EXPECT_TRUE(load({"--listen", address, "--tickets", "secret"}));
    EXPECT_TRUE(load({"--listen", address, "--allow-unauthenticated", "true"}));
  }
  for (const char* address : {"127.0.0.1:1", "127.1.2.3:1", "localhost:1", "[::1]:1"})
    EXPECT_TRUE(load({"--listen", address, "--grpc-listen", address})) << address;
}

TEST_F(Config, TheFileMayBeNamedByAVariable) {
  write("project: shop\n");
  const auto call = load({}, {"DEFERD_CONFIG=" + file_});
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_EQ(call->config.project, "shop");
}

TEST_F(Config, AnUnknownKeySaysWhereAndWhichNameIsNear) {
  EXPECT_EQ(complaint("data: /x\nlissten: 127.0.0.1:1\n"),
            file_ + ":2:1: there is no setting \"lissten\"; did you mean listen?");
  EXPECT_EQ(complaint("zzzzzzzzzz: 1\n"), file_ + ":1:1: there is no setting \"zzzzzzzzzz\"");
}

TEST_F(Config, AnUnknownFlagIsAnErrorWithTheNearestName) {
  EXPECT_EQ(flag_complaint({"--lsiten", "127.0.0.1:1"}),
            "there is no flag \"--lsiten\"; did you mean --listen?");
  EXPECT_EQ(flag_complaint({"--zzzzzzzzzzz=1"}),
            "there is no flag \"--zzzzzzzzzzz\"; deferd --help lists the flags");
  EXPECT_THAT(flag_complaint({"serve"}), HasSubstr("\"serve\""));
}

TEST_F(Config, TlsNeedsACertificateAndItsKey) {
  EXPECT_EQ(flag_complaint({"--tls-cert", "cert.pem"}),
            "tls_cert is set and tls_key is not; TLS needs both, plain text neither");
  EXPECT_EQ(flag_complaint({"--tls-key", "key.pem"}),
            "tls_key is set and tls_cert is not; TLS needs both, plain text neither");
  EXPECT_EQ(flag_complaint({"--tls-min-version", "1.1"}),
            "--tls-min-version: \"1.1\" is not one of 1.2 or 1.3");
  const auto call = load({"--tls-cert", "c", "--tls-key", "k", "--tls-min-version", "1.3"});
  ASSERT_TRUE(call);
  EXPECT_EQ(call->config.tls_min_version, TlsVersionMin::v1_3);
  EXPECT_FALSE(call->config.tls_plaintext);
}

TEST_F(Config, AnUnknownVariableIsAnErrorAndThoseOfDeferAreNot) {
  const auto call = load({}, {"DEFERD_LOGLEVEL=debug"});
  ASSERT_FALSE(call);
  EXPECT_THAT(
      call.error().message,
      HasSubstr("DEFERD_LOGLEVEL: there is no such setting; did you mean DEFERD_LOG_LEVEL?"));
  EXPECT_TRUE(load({}, {"DEFERD_URL=http://127.0.0.1:1", "DEFERD_CA=ca.pem", "DEFERD_SEED=3"}));
}

TEST_F(Config, BadValuesNameThePlaceTheValueAndWhatWouldBeRight) {
  EXPECT_EQ(complaint("project: p\nlisten: 8123\n"),
            file_ +
                ":2:9: listen: \"8123\" is not an address; write it like 127.0.0.1:8123, "
                "localhost:8123 or [::1]:8123");
  EXPECT_EQ(flag_complaint({"--store", "redis"}),
            "--store: \"redis\" is not a store; it is rocksdb, or memory (which forgets)");
  EXPECT_EQ(flag_complaint({"--shards", "257"}),
            "--shards: \"257\" is not a whole number of 0 to 256");
  EXPECT_EQ(flag_complaint({"--shards=-1"}), "--shards: \"-1\" is not a whole number of 0 to 256");
  EXPECT_EQ(flag_complaint({"--task-bytes-max", "1MB"}),
            "--task-bytes-max: \"1MB\" is not a size; write it like 65536, 64KiB, 1MiB or 2GiB");
  EXPECT_EQ(flag_complaint({"--task-bytes-max", "1"}),
            "--task-bytes-max: \"1\" is outside 1KiB to 1GiB");
  EXPECT_EQ(flag_complaint({"--drain-timeout", "2h"}),
            "--drain-timeout: \"2h\" is outside 0s to 1h");
  EXPECT_THAT(flag_complaint({"--drain-timeout", "soon"}), HasSubstr("\"soon\" is not a duration"));
  EXPECT_EQ(flag_complaint({"--target-deny", "10.0.0.0/33"}),
            "--target-deny: \"10.0.0.0/33\" is not a network; write it like 10.0.0.0/8, fd00::/8, "
            "192.0.2.7, loopback, private or all");
  EXPECT_THAT(flag_complaint({"--data", ""}), HasSubstr("--data"));
  EXPECT_THAT(flag_complaint({"--listen"}), HasSubstr("--listen"));
  EXPECT_THAT(flag_complaint({"--listen", "127.0.0.1:1", "--listen", "127.0.0.1:2"}),
              HasSubstr("--listen"));
}

TEST_F(Config, LimitsThatContradictEachOtherAreRefused) {
  EXPECT_THAT(flag_complaint({"--task-bytes-max", "64MiB"}), HasSubstr("could never be sent"));
  EXPECT_THAT(flag_complaint({"--waiting-bytes-max", "1MiB"}),
              HasSubstr("would always be refused"));
}

TEST_F(Config, ABrokenFileSaysWhere) {
  EXPECT_THAT(complaint("listen: [1, 2\n"), HasSubstr(file_ + ":"));
  EXPECT_THAT(complaint("- listen\n"), HasSubstr("must be settings, one a line"));
  EXPECT_THAT(complaint("listen: {a: 1}\n"),
              HasSubstr(":1:9: listen must be a single value (HOST:PORT)"));
  EXPECT_EQ(complaint("shards: 1\nshards: 2\n"), file_ + ":2:1: shards is set twice");
  EXPECT_THAT(complaint(std::string(2 << 20, '#')), HasSubstr("larger than 1MiB"));
  EXPECT_THAT(flag_complaint({"--config", folder_ + "/missing.yaml"}),
              HasSubstr("missing.yaml: No such file"));
  EXPECT_THAT(flag_complaint({"--config", folder_}), HasSubstr("--config names a file"));
  EXPECT_EQ(complaint(""), "");
  EXPECT_EQ(complaint("# nothing yet\n"), "");
}

TEST_F(Config, AListMayBeASequence) {
  write("target_deny:\n  - 10.0.0.0/8\n  - fd00::/8\n");
  const auto call = load({"--config", file_});
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_THAT(call->config.target_deny, testing::ElementsAre("10.0.0.0/8", "fd00::/8"));
}

TEST_F(Config, ApplicationsAreATable) {
  write(
      "apps:\n"
      "  shop:\n"
      "    hostname: shop.example.com:8080\n"
      "    url: http://127.0.0.1:8080\n"
      "    services:\n"
      "      worker: http://127.0.0.1:8081/under\n"
      "      0.v1.worker: https://w\n"
      "    service_url: http://{service}.internal/{service}\n"
      "    send_host: url\n"
      "  example.com:other:\n");
  const auto call = load({"--config", file_});
  ASSERT_TRUE(call) << call.error().message;
  const RouteOptions& routes = call->config.routes;
  EXPECT_EQ(routes.app_url, "http://127.0.0.1:8080");
  ASSERT_EQ(routes.apps.size(), 2u);
  AppRoutes shop;
  shop.hostname = "shop.example.com:8080";
  shop.url = "http://127.0.0.1:8080";
  shop.services = {{"worker", "http://127.0.0.1:8081/under"}, {"0.v1.worker", "https://w"}};
  shop.service_url = "http://{service}.internal/{service}";
  shop.send_url_host = true;
  EXPECT_EQ(routes.apps.at("shop"), shop);
  EXPECT_EQ(routes.apps.at("example.com:other"), AppRoutes{});
  EXPECT_EQ(call->config.from.at("apps"), file_ + ":1:1");
  const std::string json = config_json(call->config);
  EXPECT_THAT(json, HasSubstr(R"("apps":{"value":{"example.com:other":{"services":{},)"));
  EXPECT_THAT(json, HasSubstr(R"("worker":"http://127.0.0.1:8081/under")"));
  EXPECT_THAT(json, HasSubstr(file_ + ":1:1\"}"));
  EXPECT_THAT(config_json(ServerConfig{}), HasSubstr(R"("apps":{"value":{},"from":"default"})"));
}

TEST_F(Config, WhatIsWrongInApplicationsSaysWhere) {
  EXPECT_THAT(complaint("apps: 3\n"), HasSubstr(":1:7: apps must be a table"));
  EXPECT_THAT(complaint("apps: [shop]\n"), HasSubstr(":1:7: apps must be a table"));
  EXPECT_THAT(complaint("apps:\n  s~shop:\n"),
              HasSubstr(":2:3: apps: \"s~shop\" is not an application"));
  EXPECT_THAT(complaint("apps:\n  shop:\n    urls: x\n"),
              HasSubstr(":3:5: there is no \"urls\" of an application; did you mean url?"));
  EXPECT_THAT(complaint("apps:\n  shop:\n    url: ftp://x\n"),
              HasSubstr(":3:10: apps.shop.url: url: scheme \"ftp\""));
  EXPECT_THAT(complaint("apps:\n  shop:\n    url: http://x?y\n"), HasSubstr(":3:10: "));
  EXPECT_THAT(complaint("apps:\n  shop:\n    url: [a]\n"),
              HasSubstr(":3:10: apps.shop.url must be a single value"));
  EXPECT_THAT(complaint("apps:\n  shop:\n    hostname: a/b\n"), HasSubstr(":3:15: "));
  EXPECT_THAT(complaint("apps:\n  shop:\n    service_url: http://x\n"),
              HasSubstr(":3:18: apps.shop.service_url: has no {service}"));
  EXPECT_THAT(complaint("apps:\n  shop:\n    service_url: http://{service}:x\n"),
              HasSubstr(":3:18: "));
  EXPECT_THAT(complaint("apps:\n  shop:\n    send_host: us\n"),
              HasSubstr(":3:16: apps.shop.send_host: \"us\" is neither task nor url"));
  for (const char* service : {"W", "a_b", "a.b.c.d", "a..b", ".a", "a."}) {
    EXPECT_THAT(complaint("apps:\n  shop:\n    services:\n      \"" + std::string(service) +
                          "\": http://x\n"),
                HasSubstr(":4:7: apps.shop.services: \""))
        << service;
  }
  EXPECT_THAT(complaint("apps:\n  shop:\n    services:\n      a: x\n"),
              HasSubstr(":4:10: apps.shop.services.a: url: "));
  EXPECT_THAT(complaint("apps:\n  a: {url: 'http://x', url: 'http://y'}\n"),
              HasSubstr("apps.a.url is there twice"));
  EXPECT_THAT(complaint("apps:\napps:\n"), HasSubstr(":2:1: apps is set twice"));
  EXPECT_THAT(complaint("app:\n"), HasSubstr("did you mean apps?"));
}

TEST_F(Config, RoutesMayBeReadAgain) {
  write("app_url: http://one\nproject: p\n");
  const auto call = load({"--config", file_});
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_EQ(call->config.file, file_);
  write("app_url: http://two\nproject: q\napps:\n  shop: {url: 'http://three'}\n");
  const auto again = reread_routes(call->config);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->app_url, "http://two");
  EXPECT_EQ(again->apps.at("shop").url, "http://three");

  const auto by_flag = load({"--config", file_, "--app-url=http://flag"});
  EXPECT_EQ(reread_routes(by_flag->config)->app_url, "http://flag");
  const auto by_variable = load({"--config", file_}, {"DEFERD_APP_URL=http://variable"});
  EXPECT_EQ(reread_routes(by_variable->config)->app_url, "http://variable");
  write("# nothing\n");
  EXPECT_EQ(*reread_routes(call->config), RouteOptions{});
  write("app_url: two\n");
  EXPECT_THAT(reread_routes(call->config).error().message, HasSubstr(file_ + ":1:10: app_url: "));
}

TEST_F(Config, SettingsOfAppEngine) {
  const auto call = load({"--scaling", "basic", "--limits=strict", "--auto-create-queues=true",
                          "--tickets=one,two", "--default-app", "shop"});
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_EQ(app_deadline(call->config.scaling), std::chrono::hours(24));
  EXPECT_EQ(call->config.app_limits, AppLimits::strict);
  EXPECT_TRUE(call->config.auto_create_queues);
  EXPECT_THAT(call->config.tickets, testing::ElementsAre("one", "two"));
  EXPECT_EQ(call->config.app(), "shop");
  EXPECT_EQ(load({"--project=p"})->config.app(), "p");
  const std::string json = config_json(call->config);
  EXPECT_THAT(json, HasSubstr(R"("tickets":{"secret":true,"set":true,"from":"--tickets"})"));
  EXPECT_THAT(json, HasSubstr(R"("auto_create_queues":{"value":true,)"));
  EXPECT_EQ(json.find("two"), std::string::npos);

  EXPECT_EQ(flag_complaint({"--scaling=manuel"}),
            "--scaling: \"manuel\" is not one of automatic, manual, basic or flexible");
  EXPECT_EQ(flag_complaint({"--forwarded-for=yes"}),
            "--forwarded-for: \"yes\" is neither true nor false");
  EXPECT_THAT(flag_complaint({"--app-url=127.0.0.1:80"}), HasSubstr("--app-url: url: "));
  EXPECT_THAT(flag_complaint({"--cron-user-ip=x"}), HasSubstr("is not an IPv4 address"));
  EXPECT_THAT(flag_complaint({"--default-app=s~x"}), HasSubstr("is not an application"));
  EXPECT_EQ(flag_complaint({"--tickets=top secret"}), "--tickets: has a value that cannot be used");
}

TEST_F(Config, HelpAndVersionAreForPrinting) {
  const auto help = load({"--help"}, {"DEFERD_NONSENSE=1"});  // help helps, whatever else is wrong
  ASSERT_TRUE(help) << help.error().message;
  EXPECT_EQ(help->wish, ConfigCall::Wish::print);
  for (const Setting& setting : settings()) EXPECT_THAT(help->text, HasSubstr(flag_of(setting)));
  const auto version = load({"--version"});
  ASSERT_TRUE(version);
  EXPECT_THAT(version->text, testing::MatchesRegex("deferd [0-9.]+\n"));
}

TEST_F(Config, JsonShowsValueAndOrigin) {
  const auto call = load({"--target-allow", "127.0.0.1,10.0.0.0/8", "--data", "a\"b"});
  ASSERT_TRUE(call) << call.error().message;
  const std::string json = config_json(call->config);
  EXPECT_THAT(json, HasSubstr(R"("listen":{"value":"127.0.0.1:8123","from":"default"})"));
  EXPECT_THAT(
      json,
      HasSubstr(R"("target_allow":{"value":["127.0.0.1","10.0.0.0/8"],"from":"--target-allow"})"));
  EXPECT_THAT(json, HasSubstr(R"("data":{"value":"a\"b","from":"--data"})"));
  EXPECT_THAT(json, HasSubstr(R"("task_bytes_max":{"value":1048576,)"));
  EXPECT_THAT(json, HasSubstr(R"("drain_timeout":{"value":"30s",)"));
}

TEST_F(Config, AddressesReadAndPrint) {
  for (const std::string text : {"127.0.0.1:0", "localhost:8123", "[::1]:65535", "0.0.0.0:80"}) {
    const auto address = parse_host_port(text);
    ASSERT_TRUE(address) << address.error().message;
    EXPECT_EQ(to_string(*address), text);
  }
  for (const std::string text : {"", ":", ":80", "a", "a:", "a:65536", "a:-1", "::1:80", "[::1]",
                                 "[]:1", "[x]:1", "a b:1", "a/b:1"}) {
    EXPECT_FALSE(parse_host_port(text)) << text;
  }
}

TEST_F(Config, SizesReadAndPrint) {
  for (const std::string text : {"0", "1", "1023", "1KiB", "3MiB", "7GiB"}) {
    const auto bytes = parse_bytes(text);
    ASSERT_TRUE(bytes) << bytes.error().message;
    EXPECT_EQ(format_bytes(*bytes), text);
  }
  for (const std::string text :
       {"", "KiB", "-1", "1.5MiB", "1 MiB", "99999999999999GiB", "99999999999999999999"}) {
    EXPECT_FALSE(parse_bytes(text)) << text;
  }
}

TEST_F(Config, NearestNameWantsToBeNear) {
  constexpr std::string_view known[] = {"data", "listen", "log_level"};
  EXPECT_EQ(nearest_name("dta", known), "data");
  EXPECT_EQ(nearest_name("log-level", known), "log_level");
  EXPECT_EQ(nearest_name("lsiten", known), "listen");
  EXPECT_EQ(nearest_name("x", known), std::nullopt);
  EXPECT_EQ(nearest_name(std::string(10'000, 'a'), known), std::nullopt);
}

// DEFERD_UPDATE=1 writes the page anew.
TEST_F(Config, TheDocumentationIsTheTable) {
  const std::string page = DEFERD_SOURCE_DIR "/docs/operations/settings.md";
  if (std::getenv("DEFERD_UPDATE") != nullptr) std::ofstream(page) << settings_markdown();
  std::stringstream text;
  text << std::ifstream(page).rdbuf();
  EXPECT_EQ(text.str(), settings_markdown())
      << "run config_test with DEFERD_UPDATE=1 and look at the diff";
}

}  // namespace
}  // namespace deferd
