// What verifiers read, over a real socket.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "api/http/server.h"
#include "api/http/testing/raw_client.h"
#include "api/oidc/oidc.h"

namespace deferd {
namespace {

class OidcDoorTest : public testing::Test {
 protected:
  void open(std::string folder) {
    OidcOptions options;
    options.issuer = "http://127.0.0.1:8123";
    options.folder = std::move(folder);
    issuer_ = std::move(*OidcIssuer::make(std::move(options)));
    door_ = make_oidc_door(*issuer_, clock_);
    HttpOptions http;
    http.listen = "127.0.0.1:0";
    server_ = std::move(*HttpServer::start(http, *door_));
    client_.emplace(server_->port());
  }

  ManualClock clock_;
  std::unique_ptr<OidcIssuer> issuer_;
  std::unique_ptr<HttpHandler> door_;
  std::unique_ptr<HttpServer> server_;
  std::optional<RawClient> client_;
};

// CT-174
TEST_F(OidcDoorTest, ShowsTheSameKeysInBothForms) {
  open("");
  const auto set = client_->call("GET", "/.well-known/jwks.json");
  ASSERT_TRUE(set);
  EXPECT_EQ(set->status, 200);
  EXPECT_EQ(set->header("Content-Type"), "application/json");
  EXPECT_EQ(set->header("Cache-Control"), "public, max-age=3600");
  const auto keys = boost::json::parse(set->body).at("keys").as_array();
  ASSERT_EQ(keys.size(), 1U);
  EXPECT_EQ(keys[0].at("alg"), "RS256");
  EXPECT_EQ(keys[0].at("use"), "sig");

  const auto map = client_->call("GET", "/oauth2/v1/certs");
  ASSERT_TRUE(map);
  EXPECT_EQ(map->status, 200);
  const auto certificates = boost::json::parse(map->body).as_object();
  ASSERT_EQ(certificates.size(), 1U);
  EXPECT_EQ(certificates.begin()->key(), keys[0].at("kid").as_string());
  EXPECT_TRUE(certificates.begin()->value().as_string().starts_with("-----BEGIN CERTIFICATE-----"));
}

TEST_F(OidcDoorTest, DiscoveryLeadsToTheKeys) {
  open("");
  const auto page = client_->call("GET", "/.well-known/openid-configuration");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200);
  const auto document = boost::json::parse(page->body);
  EXPECT_EQ(document.at("issuer"), "http://127.0.0.1:8123");
  const std::string keys(document.at("jwks_uri").as_string());
  EXPECT_TRUE(is_oidc_path(keys.substr(std::string("http://127.0.0.1:8123").size()))) << keys;
}

TEST_F(OidcDoorTest, TakesGetAlone) {
  open("");
  const auto answer = client_->call("POST", "/.well-known/jwks.json", "{}");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 405);
  EXPECT_EQ(answer->header("Allow"), "GET, HEAD");
  EXPECT_FALSE(is_oidc_path("/.well-known/jwks.json/"));
  EXPECT_FALSE(is_oidc_path("/.well-known/"));
}

TEST_F(OidcDoorTest, KeysThatCannotBeKeptAreNotShown) {
  open("/nonexistent-deferd-folder");
  const auto answer = client_->call("GET", "/.well-known/jwks.json");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->header("Cache-Control"), "");
  EXPECT_NE(answer->body.find("the server's log says why"), std::string::npos) << answer->body;
}

}  // namespace
}  // namespace deferd
