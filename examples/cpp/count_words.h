// The task that both programs know.
#pragma once

#include <deferd/task.h>

#include <map>
#include <sstream>
#include <string>

struct CountWords {
  static constexpr std::string_view name = "count_words";
  static constexpr std::string_view queue = "words";

  std::string text;
  int longer_than = 0;

  std::map<std::string, int> run(deferd::Context&) const {
    if (text.empty()) throw deferd::NeverAgain("there is nothing to count");
    std::map<std::string, int> counts;
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      if (static_cast<int>(word.size()) > longer_than) ++counts[word];
    }
    return counts;
  }
};
BOOST_DESCRIBE_STRUCT(CountWords, (), (text, longer_than))
