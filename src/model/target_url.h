// Where a push goes: an absolute http or https URL, taken apart once. Doors check URLs with it when
// a task is added, the dispatcher finds the target with it; so what a door lets in can be sent.
//
// What is sent is what was written: `%` sequences, the order of a query and empty segments stay. A
// line break, a space or a control character cannot be part of a URL, so none can reach a request
// line or a Host header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace deferd {

// Twice what a browser of 2 KiB URLs sends, with room for signed query strings. Google's doors have
// a lower limit.
constexpr std::size_t target_url_bytes_max = 8192;

struct TargetUrl {
  bool tls = false;        // https
  std::string host;        // lower case; an IPv6 address without its brackets; no dot at the end
  std::uint16_t port = 0;  // never 0
  // "/path?query" as written; "/" for an empty path. A fragment is not sent and left out.
  std::string path;

  // The value of a Host header: host[:port], the port only when it is not the scheme's own.
  std::string authority() const;

  friend bool operator==(const TargetUrl&, const TargetUrl&) = default;
};

// Accepts http://HOST[:PORT][/PATH][?QUERY][#FRAGMENT] and https. HOST is a name of [A-Za-z0-9._-],
// an IPv4 address in four decimal numbers or an IPv6 address in brackets; user:password@ is
// refused, as are the other spellings of an IPv4 address (2130706433, 0x7f.1, 0177.0.0.1). Fails
// with Reason::invalid and the field "url".
Result<TargetUrl> parse_target_url(std::string_view url);

// Where the paths of an application go: as above, without a query or a fragment. The path of the
// result stands before theirs and has no slash at its end: empty, or "/under/here".
Result<TargetUrl> parse_base_url(std::string_view url);

// A relative URL, as App Engine's tasks have: "/path?query", sent byte for byte. Fails with
// Reason::invalid and the field "url" unless it begins with one slash, has no fragment, and every
// byte is a visible ASCII character (GAE-spec 5.3): so it is one word of a request line. Its length
// is its door's business.
Result<void> check_target_path(std::string_view path);

}  // namespace deferd
