// Walks over JSON text that a parser has accepted, for what a parsed tree cannot tell: how a value
// was written. A caller's `json` body is passed on byte for byte, so that large numbers and the
// order of members survive.
//
// Texts given here must be valid JSON unless said otherwise; the walk then needs no checks beyond
// the end.
#pragma once

#include <cstdint>
#include <string_view>

namespace deferd {

// The text of a member of the object that `object` is; empty when no key is spelled just so.
std::string_view raw_member(std::string_view object, std::string_view key);

// Takes the elements of an array one by one.
class RawElements {
 public:
  explicit RawElements(std::string_view array);
  // The next element's text; empty after the last.
  std::string_view next();

 private:
  std::string_view left_;
};

struct JsonCounts {
  std::uint64_t members = 0;  // of all objects together, at every depth
  std::uint64_t values = 0;   // an upper bound: elements, members, containers
};

// The one function here that also takes what is no JSON: it is asked before anything is parsed.
JsonCounts count_json(std::string_view text);

}  // namespace deferd
