// Which of several path templates a path is of. Built once, then any thread may ask.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace deferd::cloudtasks::rest {

constexpr std::size_t path_words_max = 16;

// "/v2/{name=projects/*/locations/*}:verb", taken apart.
struct PathTemplate {
  struct Variable {
    std::string field;
    std::size_t first = 0;  // its first word
    std::size_t count = 0;
  };

  static PathTemplate parse(std::string_view text);

  std::vector<std::string> words;  // "*": any
  std::vector<Variable> variables;
  std::string verb;  // empty: none
};

// The words of a path as sent, the verb apart; views into it.
struct PathWords {
  // Not `ok`: no path of any template.
  static PathWords split(std::string_view path);

  // Some of them as one text again, percent-decoded. Nothing when a "%" is not followed by two hex
  // digits.
  bool append(std::size_t first, std::size_t words_count, std::string& out) const;

  bool ok = false;
  std::size_t count = 0;
  std::array<std::string_view, path_words_max> words;
  std::string_view verb;
};

class PathTree {
 public:
  struct Leaf {
    std::string http_method;
    std::string verb;
    std::size_t value = 0;
  };

  void add(const PathTemplate& path, std::string_view http_method, std::size_t value);

  // Those at the end of the path; with other verbs and methods, too.
  std::span<const Leaf> find(const PathWords& path) const;

 private:
  struct Node {
    std::vector<std::pair<std::string, std::unique_ptr<Node>>> words;
    std::unique_ptr<Node> any;
    std::vector<Leaf> leaves;
  };

  Node root_;
};

}  // namespace deferd::cloudtasks::rest
