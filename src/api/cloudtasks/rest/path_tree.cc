#include "api/cloudtasks/rest/path_tree.h"

#include <algorithm>
#include <optional>

#include "api/cloudtasks/text.h"
#include "api/http/text.h"
#include "base/assert.h"

namespace deferd::cloudtasks::rest {

PathTemplate PathTemplate::parse(std::string_view text) {
  PathTemplate parsed;
  DEFERD_ASSERT(text.starts_with('/'));
  const std::size_t last = std::max(text.rfind('/'), text.rfind('}') + 1);
  if (const std::size_t colon = text.rfind(':'); colon != text.npos && colon >= last) {
    parsed.verb = text.substr(colon + 1);
    text = text.substr(0, colon);
  }
  for (std::string_view word : cloudtasks::split(text.substr(1), '/')) {
    if (word.starts_with('{')) {
      const std::size_t equals = word.find('=');
      const std::size_t end = std::min(equals, word.find('}'));
      parsed.variables.push_back({std::string(word.substr(1, end - 1)), parsed.words.size(), 0});
      word = equals == word.npos ? "*}" : word.substr(equals + 1);
    }
    const bool ends = word.ends_with('}');
    if (ends) word.remove_suffix(1);
    parsed.words.emplace_back(word);
    if (ends) {
      PathTemplate::Variable& variable = parsed.variables.back();
      variable.count = parsed.words.size() - variable.first;
    }
  }
  return parsed;
}

PathWords PathWords::split(std::string_view path) {
  PathWords split;
  if (!path.starts_with('/')) return split;
  // A project may have a colon; it is never the last word.
  const std::size_t last = path.rfind('/');
  if (const std::size_t colon = path.rfind(':'); colon != path.npos && colon > last) {
    split.verb = path.substr(colon + 1);
    path = path.substr(0, colon);
  }
  while (!path.empty()) {
    path.remove_prefix(1);
    if (split.count == path_words_max) return split;
    const std::string_view word = path.substr(0, path.find('/'));
    if (word.empty()) return split;
    split.words[split.count++] = word;
    path.remove_prefix(word.size());
  }
  split.ok = true;
  return split;
}

bool PathWords::append(std::size_t first, std::size_t words_count, std::string& out) const {
  for (std::size_t i = first; i < first + words_count; ++i) {
    if (i > first) out.push_back('/');
    if (words[i].find('%') == std::string_view::npos) {
      out += words[i];
      continue;
    }
    const auto decoded = decode_percent(words[i], false);
    if (!decoded) return false;
    out += *decoded;
  }
  return true;
}

void PathTree::add(const PathTemplate& path, std::string_view http_method, std::size_t value) {
  DEFERD_ASSERT(path.words.size() <= path_words_max);
  Node* node = &root_;
  for (const std::string& word : path.words) {
    std::unique_ptr<Node>* next = &node->any;
    if (word != "*") {
      const auto found = std::ranges::find(
          node->words, word, [](const auto& one) -> const auto& { return one.first; });
      next = found != node->words.end() ? &found->second
                                        : &node->words.emplace_back(word, nullptr).second;
    }
    if (*next == nullptr) *next = std::make_unique<Node>();
    node = next->get();
  }
  node->leaves.push_back({std::string(http_method), path.verb, value});
}

std::span<const PathTree::Leaf> PathTree::find(const PathWords& path) const {
  if (!path.ok) return {};
  const Node* node = &root_;
  for (std::size_t i = 0; i < path.count; ++i) {
    const auto found = std::ranges::find_if(
        node->words, [&](const auto& one) { return one.first == path.words[i]; });
    node = found != node->words.end() ? found->second.get() : node->any.get();
    if (node == nullptr) return {};
  }
  return node->leaves;
}

}  // namespace deferd::cloudtasks::rest
