#include <array>
#include <string>
#include <utility>

#include "api/oidc/oidc.h"

namespace deferd {
namespace {

struct Page {
  std::string_view path;
  void (*ask)(OidcIssuer& issuer, Wall now, TokenCache::Done done);
};

constexpr std::array<Page, 3> pages = {{
    {"/.well-known/openid-configuration",
     [](OidcIssuer& issuer, Wall /*now*/, TokenCache::Done done) { done(issuer.discovery()); }},
    {"/.well-known/jwks.json", [](OidcIssuer& issuer, Wall now,
                                  TokenCache::Done done) { issuer.key_set(now, std::move(done)); }},
    {"/oauth2/v1/certs", [](OidcIssuer& issuer, Wall now,
                            TokenCache::Done done) { issuer.certificates(now, std::move(done)); }},
}};

const Page* find_page(std::string_view path) {
  for (const Page& page : pages) {
    if (page.path == path) return &page;
  }
  return nullptr;
}

HttpResponse answer(Result<std::string> text) {
  HttpResponse response;
  if (!text) {
    response.status = 503;
    response.headers = "Retry-After: 1\r\n";
    response.body = error_json(503, "UNAVAILABLE", text.error().message);
    return response;
  }
  response.headers = "Cache-Control: public, max-age=" + std::to_string(keys_keep.count()) + "\r\n";
  response.body = std::move(*text);
  return response;
}

class OidcDoor final : public HttpHandler {
 public:
  OidcDoor(OidcIssuer& issuer, const Clock& clock) : issuer_(issuer), clock_(clock) {}

  void handle(const HttpRequest& request, HttpReply reply) override {
    if (request.method != "GET" && request.method != "HEAD") {
      HttpResponse response;
      response.status = 405;
      response.headers = "Allow: GET, HEAD\r\n";
      response.body = error_json(405, "UNIMPLEMENTED", "this path takes GET");
      return reply.send(std::move(response));
    }
    find_page(request.path)
        ->ask(issuer_, clock_.now().wall,
              [reply = std::move(reply)](Result<std::string> text) mutable {
                reply.send(answer(std::move(text)));
              });
  }

 private:
  OidcIssuer& issuer_;
  const Clock& clock_;
};

}  // namespace

bool is_oidc_path(std::string_view path) { return find_page(path) != nullptr; }

std::unique_ptr<HttpHandler> make_oidc_door(OidcIssuer& issuer, const Clock& clock) {
  return std::make_unique<OidcDoor>(issuer, clock);
}

}  // namespace deferd
