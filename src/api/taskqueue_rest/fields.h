// Partial responses: `fields=kind,items(id,leaseTimestamp)` keeps what it names of an answer and
// drops the rest. Pure.
//
//   list  := item *("," item)
//   item  := name *("/" name) ["(" list ")"]         name may be "*": all of them
//
// What an answer cannot contain is refused, as a misspelt name would otherwise cost all that was
// asked for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace deferd::taskqueue_rest {

// What an answer may contain. Tables of ours: static, a few levels deep.
struct Shape {
  std::string_view name;
  const Shape* children = nullptr;
  std::size_t child_count = 0;
};
extern const Shape task_shape;
extern const Shape tasks_shape;  // of list and lease
extern const Shape queue_shape;

class Selection {
 public:
  // Everything.
  Selection() = default;
  // Fails with Reason::invalid.
  static Result<Selection> parse(std::string_view text, const Shape& shape);

  bool is_all() const { return all_; }
  // `json` is an answer of the shape that this was parsed for.
  std::string apply(std::string json) const;

 private:
  friend class SelectionParser;
  friend struct Pruner;

  bool all_ = true;  // of this member, whatever is below it
  std::vector<std::pair<std::string_view, Selection>> members_;  // names are those of the shape
};

}  // namespace deferd::taskqueue_rest
