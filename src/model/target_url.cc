#include "model/target_url.h"

#include <algorithm>
#include <boost/url/ipv4_address.hpp>
#include <boost/url/ipv6_address.hpp>
#include <boost/url/parse.hpp>
#include <charconv>
#include <system_error>

#include "base/text.h"

namespace deferd {
namespace {

namespace urls = boost::urls;

tl::unexpected<Error> bad(std::string message) {
  return fail(Reason::invalid, "url: " + std::move(message), "url");
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Names the first character that no URL may hold, for a better answer than "does not parse".
std::string wrong_character(std::string_view url) {
  constexpr std::string_view never = "\"<>\\^`{|}";
  for (std::size_t i = 0; i < url.size(); ++i) {
    const auto byte = static_cast<unsigned char>(url[i]);
    if (byte > 0x20 && byte < 0x7f && never.find(url[i]) == std::string_view::npos) continue;
    constexpr std::string_view hex = "0123456789ABCDEF";
    const std::string code{'%', hex[byte >> 4], hex[byte & 15]};
    return "byte " + std::to_string(i) + " must be percent-encoded as " + code;
  }
  return {};
}

bool is_hex_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Every % is followed by two hexadecimal digits.
bool percents_complete(std::string_view text) {
  for (std::size_t i = text.find('%'); i != std::string_view::npos; i = text.find('%', i + 1)) {
    if (i + 2 >= text.size() || !is_hex_digit(text[i + 1]) || !is_hex_digit(text[i + 2])) {
      return false;
    }
  }
  return true;
}

// The last label of a name decides whether resolvers take the whole for a number (as in the WHATWG
// URL standard).
bool looks_like_number(std::string_view host) {
  const std::string_view last = host.substr(host.rfind('.') + 1);  // all of it without a dot
  if (last.size() >= 2 && last[0] == '0' && (last[1] == 'x' || last[1] == 'X')) return true;
  return !last.empty() && std::all_of(last.begin(), last.end(), is_digit);
}

Result<std::string> parse_host_name(std::string_view host) {
  const std::string shown(host.substr(0, 60));
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.empty()) return bad("has no host, should be like https://example.com/path");
  if (host.size() > 253) return bad("host is longer than 253 characters");
  std::size_t label_chars = 0;
  for (const char c : host) {
    if (c == '.') {
      if (label_chars == 0) return bad("host \"" + shown + "\" has an empty label");
      label_chars = 0;
      continue;
    }
    if (!is_alpha(c) && !is_digit(c) && c != '-' && c != '_') {
      return bad("host \"" + shown + "\" may have letters, digits, '-', '_' and '.' only");
    }
    if (++label_chars > 63) return bad("host \"" + shown + "\" has a label of over 63 characters");
  }
  if (label_chars == 0) return bad("host \"" + shown + "\" has an empty label");
  if (looks_like_number(host)) {
    return bad("host \"" + shown + "\" is a number, an IPv4 address is written like 192.0.2.1");
  }
  return to_lower(host);
}

Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) {
    return bad("port \"" + std::string(text.substr(0, 20)) + "\" is outside 1..65535");
  }
  return port;
}

// Fills host and port. Needs target.tls.
Result<void> parse_authority(std::string_view authority, TargetUrl& target) {
  if (authority.find('@') != std::string_view::npos) {
    return bad("holds a user name or password, send an Authorization header instead");
  }
  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t end = std::min(authority.find(']'), authority.size());
    const std::string_view host = authority.substr(1, end - 1);
    const auto address = urls::parse_ipv6_address(urls::string_view(host.data(), host.size()));
    if (end == authority.size() || !address) return bad("host in brackets is no IPv6 address");
    target.host = address->to_string();  // one spelling an address
    port = authority.substr(end + 1);
    if (!port.empty() && port.front() != ':') return bad("host in brackets is no IPv6 address");
  } else {
    const std::string_view host = authority.substr(0, authority.find(':'));
    port = authority.substr(host.size());
    if (urls::parse_ipv4_address(urls::string_view(host.data(), host.size()))) {
      target.host = host;
    } else {
      Result<std::string> name = parse_host_name(host);
      if (!name) return fail(name.error());
      target.host = std::move(*name);
    }
  }
  target.port = target.tls ? 443 : 80;
  if (port.size() <= 1) return {};  // none, or the empty one of "http://h:/"
  const Result<std::uint16_t> number = parse_port(port.substr(1));
  if (!number) return fail(number.error());
  target.port = *number;
  return {};
}

}  // namespace

std::string TargetUrl::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  std::string text = v6 ? "[" + host + "]" : host;
  if (port != (tls ? 443 : 80)) text += ":" + std::to_string(port);
  return text;
}

Result<TargetUrl> parse_target_url(std::string_view url) {
  if (url.empty()) return bad("is empty, should be like https://example.com/path");
  if (url.size() > target_url_bytes_max) {
    return bad("has " + std::to_string(url.size()) + " characters, at most " +
               std::to_string(target_url_bytes_max) + " are taken");
  }
  if (std::string wrong = wrong_character(url); !wrong.empty()) return bad(std::move(wrong));

  // scheme "://" authority [path] ["?" query] ["#" fragment], cut here and not by urls::parse_uri:
  // Boost.URL 1.81 takes "http://h:80x" for port 80 and path "x", and "http://10.0.0.1.example/"
  // for host 10.0.0.1.
  TargetUrl target;
  const std::size_t colon = url.find(':');
  if (colon == std::string_view::npos) {
    return bad("has no scheme, should be like https://example.com/path");
  }
  const std::string scheme = to_lower(url.substr(0, colon));
  target.tls = scheme == "https";
  if (!target.tls && scheme != "http") {
    return bad("scheme \"" + scheme.substr(0, 20) + "\" is not http or https");
  }
  std::string_view rest = url.substr(colon + 1);
  if (!rest.starts_with("//")) return bad("has no host, should be like https://example.com/path");
  rest.remove_prefix(2);
  rest = rest.substr(0, rest.find('#'));
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
  rest.remove_prefix(authority.size());

  if (Result<void> read = parse_authority(authority, target); !read) return fail(read.error());

  const std::string_view path = rest.substr(0, rest.find('?'));
  const std::string_view query = rest.substr(path.size());
  if (!path.empty() && !urls::parse_origin_form(urls::string_view(path.data(), path.size()))) {
    return bad("path holds a character that must be percent-encoded, or a % without two digits");
  }
  // RFC 3986 has no brackets in a query, but half the world's `a[]=1` does; so only this much is
  // asked of it.
  if (!percents_complete(query)) return bad("query holds a % without two digits");
  target.path.reserve(1 + path.size() + query.size());
  target.path = path.empty() ? "/" : path;
  target.path.append(query);
  return target;
}

Result<TargetUrl> parse_base_url(std::string_view url) {
  if (url.find_first_of("?#") != std::string_view::npos) {
    return bad("has a query or a fragment, should be like http://127.0.0.1:8080");
  }
  Result<TargetUrl> base = parse_target_url(url);
  if (!base) return base;
  while (base->path.ends_with('/')) base->path.pop_back();
  return base;
}

Result<void> check_target_path(std::string_view path) {
  if (!path.starts_with('/')) {
    return bad("is not relative, should begin with a slash like /path?query");
  }
  if (path.starts_with("//")) return bad("begins with two slashes, which would name a host");
  for (std::size_t i = 0; i < path.size(); ++i) {
    const auto byte = static_cast<unsigned char>(path[i]);
    if (byte == '#') return bad("has a fragment, which is never sent");
    if (byte > 0x20 && byte < 0x7f) continue;
    constexpr std::string_view hex = "0123456789ABCDEF";
    return bad("byte " + std::to_string(i) + " must be percent-encoded as " +
               std::string{'%', hex[byte >> 4], hex[byte & 15]});
  }
  return {};
}

}  // namespace deferd
