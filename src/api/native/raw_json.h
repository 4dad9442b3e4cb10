// Walks over JSON text that a parser has accepted, for what a parsed tree cannot tell: how a value
// was written. A caller's `json` body is passed on byte for byte, so that large numbers and the
// order of members survive.
//
// All texts given here must be valid JSON; the walk then needs no checks beyond the end.
#pragma once

#include <cstdint>
#include <string_view>

namespace deferd::native {

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

// How many members the objects in `text` have together, at every depth.
std::uint64_t count_members(std::string_view text);

}  // namespace deferd::native
