// A queue's http_target and the tokens of HTTP tasks, between a version's messages and ours
// (CT-spec 9.11). Shown is what was given, with the defaults of what was not.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "api/cloudtasks/outcome.h"
#include "api/cloudtasks/task_headers.h"
#include "api/cloudtasks/urls.h"
#include "model/http_target.h"
#include "model/push_request.h"

namespace deferd::cloudtasks {

// The numbers of all versions' HttpMethod; unspecified is POST, as for a task.
std::optional<HttpMethod> method_of(int number);
int number_of(HttpMethod method);

// `Message` is an HttpRequest or an HttpTarget: both say it in the same fields.
template <class Message>
std::optional<PushToken> read_token(const Message& message) {
  if (message.has_oidc_token()) {
    const auto& oidc = message.oidc_token();
    return PushToken{PushToken::Kind::oidc, oidc.service_account_email(), oidc.audience(), ""};
  }
  if (message.has_oauth_token()) {
    const auto& oauth = message.oauth_token();
    return PushToken{PushToken::Kind::oauth, oauth.service_account_email(), "", oauth.scope()};
  }
  return std::nullopt;
}

template <class Message>
void write_token(const PushToken& token, Message& message) {
  if (token.kind == PushToken::Kind::oidc) {
    message.mutable_oidc_token()->set_service_account_email(token.email);
    message.mutable_oidc_token()->set_audience(token.audience);
  } else {
    message.mutable_oauth_token()->set_service_account_email(token.email);
    message.mutable_oauth_token()->set_scope(token.scope);
  }
}

template <class Uri>
Outcome<void> read_uri(const Uri& uri, HttpTarget& target) {
  if (uri.has_scheme()) {
    target.scheme =
        uri.scheme() == Uri::HTTP ? HttpTarget::Scheme::http : HttpTarget::Scheme::https;
  }
  if (uri.has_host()) {
    if (auto ok = check_host(uri.host()); !ok) return refuse(ok.error());
    target.host = uri.host();
  }
  if (uri.has_port()) {
    if (uri.port() < 0 || uri.port() > 65535)
      return refuse_argument("HttpTarget.uriOverride.port must be between 0 and 65535.");
    target.port = static_cast<std::uint16_t>(uri.port());
  }
  if (uri.has_path_override()) {
    auto path = checked_path(uri.path_override().path());
    if (!path) return refuse(path.error());
    target.path = std::move(*path);
  }
  if (uri.has_query_override()) {
    auto query = checked_query(uri.query_override().query_params());
    if (!query) return refuse(query.error());
    target.query = std::move(*query);
  }
  if (uri.uri_override_enforce_mode() == Uri::IF_NOT_EXISTS)
    target.enforce = HttpTarget::Enforce::if_not_exists;
  return {};
}

// Nothing: the message says nothing, which is how a target is removed.
template <class Target>
Outcome<std::optional<HttpTarget>> read_http_target(const Target& given) {
  HttpTarget target;
  if (auto ok = read_uri(given.uri_override(), target); !ok) return refuse(ok.error());
  if (given.http_method() != 0) {
    target.method = method_of(given.http_method());
    if (!target.method) return refuse_argument("HttpTarget.httpMethod is not a known method.");
  }
  for (const auto& one : given.header_overrides())
    target.headers.emplace_back(one.header().key(), one.header().value());
  if (auto ok = check_headers(target.headers); !ok) return refuse(ok.error());
  target.token = read_token(given);
  if (target.token) {
    const bool oidc = target.token->kind == PushToken::Kind::oidc;
    const std::string& needed = oidc ? target.token->audience : target.token->scope;
    if (target.token->email.empty() || needed.empty()) {
      return refuse_argument(
          oidc ? "HttpTarget.oidcToken must have both serviceAccountEmail and audience."
               : "HttpTarget.oauthToken must have both serviceAccountEmail and scope.");
    }
  }
  if (target == HttpTarget{}) return std::optional<HttpTarget>();
  return std::optional(std::move(target));
}

template <class Target>
void write_http_target(const HttpTarget& target, Target& message) {
  using Uri = std::remove_cvref_t<decltype(message.uri_override())>;
  const bool always = target.enforce == HttpTarget::Enforce::always;
  if (target.scheme || target.host || target.port || target.path || target.query || !always) {
    Uri& uri = *message.mutable_uri_override();
    if (target.scheme)
      uri.set_scheme(*target.scheme == HttpTarget::Scheme::http ? Uri::HTTP : Uri::HTTPS);
    if (target.host) uri.set_host(*target.host);
    if (target.port) uri.set_port(*target.port);
    if (target.path) uri.mutable_path_override()->set_path(*target.path);
    if (target.query) uri.mutable_query_override()->set_query_params(*target.query);
    uri.set_uri_override_enforce_mode(always ? Uri::ALWAYS : Uri::IF_NOT_EXISTS);
  }
  if (target.method) {
    message.set_http_method(
        static_cast<decltype(message.http_method())>(number_of(*target.method)));
  }
  for (const auto& [name, value] : target.headers) {
    auto& header = *message.add_header_overrides()->mutable_header();
    header.set_key(name);
    header.set_value(value);
  }
  if (target.token) write_token(*target.token, message);
}

}  // namespace deferd::cloudtasks
