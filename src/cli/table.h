// Aligned columns for people.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace deferd::cli {

class Table {
 public:
  // A heading that begins with '>' makes a column of numbers, aligned to the right.
  explicit Table(std::vector<std::string> headings);

  void add(std::vector<std::string> row);
  bool empty() const { return rows_.empty(); }
  void print(std::ostream& out) const;

 private:
  std::vector<std::string> headings_;
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

// Without control characters: what a caller once stored must not steer the terminal of who looks at
// it. At most `chars_max` characters, the last of which is then an ellipsis.
std::string printable(std::string_view text, std::size_t chars_max = 200);

std::string with_commas(std::uint64_t number);  // 1,234,567

// "in 3m12s", "2h ago", "now": an RFC 3339 instant seen from now; what is not one is given back as
// it is.
std::string relative(std::string_view instant, std::int64_t now_micros);

}  // namespace deferd::cli
