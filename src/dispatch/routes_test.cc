// The rules of where a relative URL goes, one by one.
#include "dispatch/routes.h"

#include <gtest/gtest.h>

namespace deferd {
namespace {

RouteOptions shop() {
  AppRoutes app;
  app.hostname = "shop.example.com";
  app.url = "http://front:8080";
  app.services = {{"worker", "http://worker:1"},
                  {"v1.worker", "http://worker:2"},
                  {"0.v1.worker", "http://worker:3"},
                  {"beta.default", "https://beta/under/"}};
  RouteOptions options;
  options.apps["shop"] = app;
  return options;
}

std::shared_ptr<const Routes> routes(const RouteOptions& options) {
  const auto made = Routes::make(options);
  EXPECT_TRUE(made.has_value()) << made.error().message;
  return *made;
}

// "http://worker:1/x as HOST"
std::string where(const Routes& routes, std::string_view target, std::string_view host,
                  std::string_view app = "shop") {
  const Route route = routes.resolve(app, target, host, "/x?y=%2F");
  return (route.url.tls ? "https://" : "http://") + route.url.authority() + route.url.path +
         " as " + route.host;
}

// GAE-145
TEST(Routes, AHostNamesAServiceOfTheApplication) {
  const auto table = routes(shop());
  struct Case {
    std::string_view host;
    std::string_view base;
    std::string_view sent = "";  // "": as it was
  };
  const Case cases[] = {
      {"shop.example.com", "http://front:8080"},
      {"SHOP.Example.com", "http://front:8080"},
      {"worker.shop.example.com.", "http://worker:1"},
      {"worker.shop.example.com", "http://worker:1"},
      {"Worker.shop.example.com:8080", "http://worker:1"},
      {"v1.worker.shop.example.com", "http://worker:2"},
      {"0.v1.worker.shop.example.com", "http://worker:3"},
      // Less exact entries serve what has none of its own.
      {"1.v1.worker.shop.example.com", "http://worker:2"},
      {"v9.worker.shop.example.com", "http://worker:1"},
      // A version of the default service, with and without the service's name.
      {"beta.shop.example.com", "https://beta/under"},
      {"beta.default.shop.example.com", "https://beta/under"},
      {"default.shop.example.com", "http://front:8080"},
      {"v7.default.shop.example.com", "http://front:8080"},
      // Unknown: the fallback.
      {"other.shop.example.com", "http://front:8080"},
      {"v1.other.shop.example.com", "http://front:8080"},
      // Names of the table alone.
      {"worker", "http://worker:1", "worker.shop.example.com"},
      {"V1.Worker", "http://worker:2", "v1.worker.shop.example.com"},
  };
  for (const Case& c : cases) {
    const std::string sent(c.sent.empty() ? c.host : c.sent);
    EXPECT_EQ(where(*table, "", c.host), std::string(c.base) + "/x?y=%2F as " + sent) << c.host;
  }
  EXPECT_EQ(where(*table, "", ""), "http://front:8080/x?y=%2F as shop.example.com");
}

// GAE-145
TEST(Routes, AForeignHostIsNeverContacted) {
  const auto table = routes(shop());
  for (const std::string_view host :
       {"evil.example.com", "169.254.169.254", "metadata.google.internal", "notshop.example.com",
        "workershop.example.com", "shop.example.com.evil.com", "localhost:8123", "[::1]:80",
        "a.b.c.d.shop.example.com", "..shop.example.com", ".shop.example.com",
        "w_x.shop.example.com"}) {
    EXPECT_EQ(where(*table, "", host), "http://front:8080/x?y=%2F as " + std::string(host));
  }
  // What is no host at all is not sent either.
  for (const std::string_view host : {"a b", "a/b", "user@h", "h\r\nX: y", "\xff", "h,g", "@"}) {
    EXPECT_EQ(where(*table, "", host), "http://front:8080/x?y=%2F as shop.example.com") << host;
  }
  EXPECT_EQ(where(*table, "", std::string(10'000, 'a')),
            "http://front:8080/x?y=%2F as shop.example.com");
}

// GAE-146
TEST(Routes, DotWordsAreDots) {
  const auto table = routes(shop());
  for (const std::string_view host :
       {"v1-dot-worker-dot-shop.example.com", "v1.worker-dot-shop.example.com",
        "v1-dot-worker.shop.example.com"}) {
    EXPECT_EQ(where(*table, "", host), "http://worker:2/x?y=%2F as " + std::string(host));
  }
  EXPECT_EQ(where(*table, "", "0-dot-v1-dot-worker-dot-shop.example.com"),
            "http://worker:3/x?y=%2F as 0-dot-v1-dot-worker-dot-shop.example.com");
}

// GAE-147
TEST(Routes, TheTargetOfTheQueueWins) {
  const auto table = routes(shop());
  const std::string host = "worker.shop.example.com";
  EXPECT_EQ(where(*table, "v1.worker", host),
            "http://worker:2/x?y=%2F as v1.worker.shop.example.com");
  EXPECT_EQ(where(*table, "worker:v1", host),
            "http://worker:2/x?y=%2F as v1.worker.shop.example.com");
  EXPECT_EQ(where(*table, "beta", host), "https://beta/under/x?y=%2F as beta.shop.example.com");
  EXPECT_EQ(where(*table, "default", host),
            "http://front:8080/x?y=%2F as default.shop.example.com");
  EXPECT_EQ(where(*table, "unknown", host),
            "http://front:8080/x?y=%2F as unknown.shop.example.com");
  EXPECT_EQ(where(*table, "no name!", host), "http://front:8080/x?y=%2F as shop.example.com");
}

TEST(Routes, OtherApplicationsGoToTheUrlOfAll) {
  const auto table = routes(shop());
  EXPECT_EQ(table->hostname("other"), "127.0.0.1:8080");
  EXPECT_EQ(where(*table, "", "", "other"), "http://127.0.0.1:8080/x?y=%2F as 127.0.0.1:8080");
  EXPECT_EQ(where(*table, "", "worker.shop.example.com", "other"),
            "http://127.0.0.1:8080/x?y=%2F as worker.shop.example.com");
  // A target that an SDK made of the hostname it was told.
  EXPECT_EQ(where(*table, "", "worker.127.0.0.1:8080", "other"),
            "http://127.0.0.1:8080/x?y=%2F as worker.127.0.0.1:8080");
}

TEST(Routes, ATemplateServesTheServicesThatAreNotNamed) {
  RouteOptions options = shop();
  AppRoutes& app = options.apps["shop"];
  app.url.clear();
  app.service_url = "http://{service}.internal:8080/{service}";
  const auto table = routes(options);
  EXPECT_EQ(where(*table, "", "mail.shop.example.com"),
            "http://mail.internal:8080/mail/x?y=%2F as mail.shop.example.com");
  EXPECT_EQ(where(*table, "v3.mail", ""),
            "http://mail.internal:8080/mail/x?y=%2F as v3.mail.shop.example.com");
  EXPECT_EQ(where(*table, "", "worker.shop.example.com"),
            "http://worker:1/x?y=%2F as worker.shop.example.com");
  EXPECT_EQ(where(*table, "", ""),
            "http://default.internal:8080/default/x?y=%2F as shop.example.com");
  // Only a name of a service ever gets into it.
  for (const std::string_view host :
       {"redis", "evil.com#.shop.example.com", "a/b.shop.example.com", "x@y.shop.example.com"}) {
    EXPECT_EQ(where(*table, "", host).substr(0, 37), "http://default.internal:8080/default/")
        << host;
  }
}

TEST(Routes, AFallbackOfItsOwnBesideTheDefaultService) {
  RouteOptions options = shop();
  options.apps["shop"].services["default"] = "http://default:9";
  const auto table = routes(options);
  EXPECT_EQ(where(*table, "", ""), "http://default:9/x?y=%2F as shop.example.com");
  EXPECT_EQ(where(*table, "", "shop.example.com"), "http://default:9/x?y=%2F as shop.example.com");
  EXPECT_EQ(where(*table, "default", ""), "http://default:9/x?y=%2F as default.shop.example.com");
  EXPECT_EQ(where(*table, "", "other.shop.example.com"),
            "http://front:8080/x?y=%2F as other.shop.example.com");
  EXPECT_EQ(where(*table, "", "evil.com"), "http://front:8080/x?y=%2F as evil.com");

  options.apps["shop"].url.clear();
  options.apps["shop"].hostname.clear();
  const auto bare = routes(options);
  EXPECT_EQ(bare->hostname("shop"), "default:9");
  EXPECT_EQ(where(*bare, "", "evil.com"), "http://default:9/x?y=%2F as evil.com");
}

TEST(Routes, TheHostOfTheUrlMayBeWanted) {
  RouteOptions options = shop();
  options.apps["shop"].send_url_host = true;
  const auto table = routes(options);
  EXPECT_EQ(where(*table, "", "beta.shop.example.com"), "https://beta/under/x?y=%2F as beta");
  EXPECT_EQ(where(*table, "", "evil.com"), "http://front:8080/x?y=%2F as front:8080");
}

TEST(Routes, WhatIsWrittenWrongIsSaid) {
  const auto complaint = [](auto change) {
    RouteOptions options = shop();
    change(options, options.apps["shop"]);
    const auto made = Routes::make(options);
    EXPECT_FALSE(made.has_value());
    return made ? "" : made.error().message;
  };
  using O = RouteOptions;
  using A = AppRoutes;
  EXPECT_EQ(complaint([](O& o, A&) { o.app_url = "127.0.0.1:8080"; }).substr(0, 14),
            "app_url: url: ");
  EXPECT_EQ(complaint([](O&, A& a) { a.url = "ftp://x"; }),
            "application \"shop\": url: scheme \"ftp\" is not http or https");
  EXPECT_EQ(
      complaint([](O&, A& a) { a.services["x_y"] = "http://x"; }),
      "application \"shop\": service \"x_y\" should be like worker, v1.worker or 0.v1.worker, "
      "of a-z 0-9 -");
  EXPECT_NE(complaint([](O&, A& a) { a.services["x"] = "http://x?y"; }), "");
  EXPECT_NE(complaint([](O&, A& a) { a.service_url = "http://x"; }), "");
  EXPECT_NE(complaint([](O&, A& a) { a.service_url = "http://{service}:99999"; }), "");
  EXPECT_NE(complaint([](O&, A& a) { a.hostname = "a b"; }), "");
}

}  // namespace
}  // namespace deferd
