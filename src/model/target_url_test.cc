#include "model/target_url.h"

#include <gtest/gtest.h>

namespace deferd {
namespace {

TEST(TargetUrl, IsTakenApartAsWritten) {
  struct Case {
    std::string_view url;
    TargetUrl target;
    std::string_view authority;
  };
  const Case cases[] = {
      {"http://example.com", {false, "example.com", 80, "/"}, "example.com"},
      {"https://example.com/", {true, "example.com", 443, "/"}, "example.com"},
      {"HTTPS://Example.COM:443/A", {true, "example.com", 443, "/A"}, "example.com"},
      {"http://example.com:443/", {false, "example.com", 443, "/"}, "example.com:443"},
      {"http://example.com:/x", {false, "example.com", 80, "/x"}, "example.com"},
      {"http://example.com?q=1", {false, "example.com", 80, "/?q=1"}, "example.com"},
      {"http://example.com/?", {false, "example.com", 80, "/?"}, "example.com"},
      {"http://h/a%2Fb%20c?x=%0D%0A&y", {false, "h", 80, "/a%2Fb%20c?x=%0D%0A&y"}, "h"},
      {"http://h//a/../b/./c", {false, "h", 80, "//a/../b/./c"}, "h"},
      {"http://h/a?b#fragment", {false, "h", 80, "/a?b"}, "h"},
      {"http://localhost.:8080/", {false, "localhost", 8080, "/"}, "localhost:8080"},
      {"http://my_service-1/", {false, "my_service-1", 80, "/"}, "my_service-1"},
      {"http://127.0.0.1:65535/", {false, "127.0.0.1", 65535, "/"}, "127.0.0.1:65535"},
      {"http://1.example/", {false, "1.example", 80, "/"}, "1.example"},
      {"http://10.0.0.1.nip.io/", {false, "10.0.0.1.nip.io", 80, "/"}, "10.0.0.1.nip.io"},
      {"http://[0:0:0:0:0:0:0:1]:8080/", {false, "::1", 8080, "/"}, "[::1]:8080"},
      {"http://[::1]:8080/", {false, "::1", 8080, "/"}, "[::1]:8080"},
      {"https://[2001:DB8::1]/", {true, "2001:db8::1", 443, "/"}, "[2001:db8::1]"},
      {"http://h/a?b[]=1", {false, "h", 80, "/a?b[]=1"}, "h"},
      {"http://h/a:b@c;d=e,f!$&'()*+", {false, "h", 80, "/a:b@c;d=e,f!$&'()*+"}, "h"},
  };
  for (const Case& c : cases) {
    const Result<TargetUrl> target = parse_target_url(c.url);
    ASSERT_TRUE(target.has_value()) << c.url << ": " << target.error().message;
    EXPECT_EQ(*target, c.target) << c.url << ": " << target->host << " " << target->path;
    EXPECT_EQ(target->authority(), c.authority) << c.url;
  }
}

TEST(TargetUrl, RefusesAndSaysWhy) {
  struct Case {
    std::string_view url;
    std::string_view why;  // part of the message
  };
  using namespace std::string_view_literals;
  const Case cases[] = {
      {"", "is empty"},
      {"/relative", "has no scheme"},
      {"example.com/path", "has no scheme"},
      {"//example.com/path", "has no scheme"},
      {"example.com:80/path", "scheme \"example.com\""},
      {"http//h:80", "scheme \"http//h\""},
      {"http:", "has no host"},
      {"http:/path", "has no host"},
      {"http://", "has no host"},
      {"http://:80/", "has no host"},
      {"http://./", "has no host"},
      {"ftp://example.com/", "scheme \"ftp\""},
      {"file:///etc/passwd", "scheme \"file\""},
      {"gopher://h:70/_x", "scheme \"gopher\""},
      {"http://user@example.com/", "user name or password"},
      {"http://user:secret@example.com/", "user name or password"},
      {"http://@example.com/", "user name or password"},
      {"http://h:0/", "port \"0\""},
      {"http://h:65536/", "port \"65536\""},
      {"http://h:80a/", "port \"80a\""},
      {"http://h:80:81/", "port \"80:81\""},
      {"http://h:+80/", "port \"+80\""},
      {"http://h:99999999999999999999/", "port \""},
      {"http://2130706433/", "is a number"},
      {"http://0x7f000001/", "is a number"},
      {"http://0177.0.0.1/", "is a number"},
      {"http://127.1/", "is a number"},
      {"http://127.0.0.1./", "is a number"},
      {"http://127.0.0.0x1/", "is a number"},
      {"http://127.0.0.256/", "is a number"},
      {"http://1.2.3.4.5/", "is a number"},
      {"http://h..h/", "empty label"},
      {"http://.h/", "empty label"},
      {"http://%31%32%37.0.0.1/", "letters, digits"},
      {"http://h%00/", "letters, digits"},
      {"http://a$b/", "letters, digits"},
      {"http://[::1/", "no IPv6"},
      {"http://[]/", "no IPv6"},
      {"http://[", "no IPv6"},
      {"http://[::1]80/", "no IPv6"},
      {"http://[1.2.3.4]/", "no IPv6"},
      {"http://[fe80::1%25eth0]/", "no IPv6"},
      {"http://[v1.x]/", "no IPv6"},
      {"http://h/a b", "byte 10 must be percent-encoded as %20"},
      {"http://h/\r\nX: y", "byte 9 must be percent-encoded as %0D"},
      {"http://h/\nX: y", "%0A"},
      {"http://h/\0"sv, "%00"},
      {"http://h/\xc3\xbc", "%C3"},
      {"http://h/{id}", "%7B"},
      {"http://h/%zz", "path holds"},
      {"http://h/%", "path holds"},
      {"http://h/[]", "path holds"},
      {"http://h/?a=%f", "query holds"},
      {"http://h/?a=%f&", "query holds"},
      {" http://h/", "byte 0 must be percent-encoded as %20"},
  };
  for (const Case& c : cases) {
    const Result<TargetUrl> target = parse_target_url(c.url);
    ASSERT_FALSE(target.has_value()) << c.url;
    EXPECT_EQ(target.error().reason, Reason::invalid);
    EXPECT_EQ(target.error().field, "url");
    EXPECT_NE(target.error().message.find(c.why), std::string::npos)
        << c.url << ": " << target.error().message;
    EXPECT_EQ(target.error().message.find("secret"), std::string::npos);
  }
}

TEST(TargetUrl, ABaseHasNoSlashAtItsEnd) {
  for (const std::string_view url : {"http://h:8080", "http://h:8080/", "http://h:8080///"}) {
    const Result<TargetUrl> base = parse_base_url(url);
    ASSERT_TRUE(base.has_value()) << url;
    EXPECT_EQ(base->path, "") << url;
    EXPECT_EQ(base->authority(), "h:8080") << url;
  }
  EXPECT_EQ(parse_base_url("https://h/under/here/")->path, "/under/here");
  for (const std::string_view url : {"http://h?x", "http://h/#x", "h:8080", "/x", "", "ftp://h"}) {
    const Result<TargetUrl> base = parse_base_url(url);
    ASSERT_FALSE(base.has_value()) << url;
    EXPECT_EQ(base.error().field, "url");
  }
}

TEST(TargetUrl, APathOfAnApplicationIsOneWord) {
  for (const std::string_view path :
       {"/", "/_ah/queue/default", "/a%zz%", "/a//b/../c?d=/e?f&{g}|[h]\"^`<>\\~"}) {
    EXPECT_TRUE(check_target_path(path).has_value()) << path;
  }
  using namespace std::string_view_literals;
  const std::pair<std::string_view, std::string_view> wrong[] = {
      {"", "is not relative"},
      {"work", "is not relative"},
      {"http://h/", "is not relative"},
      {"//h/x", "would name a host"},
      {"/a#b", "fragment"},
      {"/a b", "byte 2 must be percent-encoded as %20"},
      {"/a\r\nHost: h", "byte 2 must be percent-encoded as %0D"},
      {"/\0"sv, "%00"},
      {"/\x7f", "%7F"},
      {"/\xc3\xa9", "%C3"},
  };
  for (const auto& [path, why] : wrong) {
    const Result<void> checked = check_target_path(path);
    ASSERT_FALSE(checked.has_value()) << path;
    EXPECT_EQ(checked.error().reason, Reason::invalid);
    EXPECT_EQ(checked.error().field, "url");
    EXPECT_NE(checked.error().message.find(why), std::string::npos) << checked.error().message;
  }
}

TEST(TargetUrl, HasALimit) {
  std::string url = "http://h/";
  url.resize(target_url_bytes_max, 'a');
  EXPECT_TRUE(parse_target_url(url).has_value());
  url.push_back('a');
  EXPECT_FALSE(parse_target_url(url).has_value());
  EXPECT_FALSE(parse_target_url("http://" + std::string(254, 'a') + "/").has_value());
  EXPECT_FALSE(parse_target_url("http://" + std::string(64, 'a') + ".b/").has_value());
}

}  // namespace
}  // namespace deferd
