// A configuration file as a tree of texts with their places, whatever it was written in
// (queue.yaml, queue.xml, cron.yaml), and the complaints about it: file, line, column, the line
// itself and a caret.
//
// Nothing here knows what the texts mean; who reads the tree does (config/queue_yaml.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace deferd {

// Counted from 1; columns in bytes.
struct TextPlace {
  std::uint32_t line = 1;
  std::uint32_t column = 1;

  friend bool operator==(const TextPlace&, const TextPlace&) = default;
};

// What complaints quote.
struct SourceText {
  std::string name;  // "queue.yaml"
  std::string text;

  // "queue.yaml:4:9: " and `message`, then the line with a caret below the place:
  //
  //   queue.yaml:4:9: queue "mail": Rate "5" is invalid.
  //       rate: 5
  //             ^
  std::string complaint(TextPlace place, std::string_view message) const;
  // The same as an error with Reason::invalid.
  Error error(TextPlace place, std::string_view message, std::string field = {}) const;
};

struct ConfigMember;

struct ConfigNode {
  enum class Kind : std::uint8_t { nothing, text, list, map };

  Kind kind = Kind::nothing;
  TextPlace place;
  std::string text;     // of Kind::text
  bool quoted = false;  // a text in quotes or in a block: "10" is a text where 10 is a number
  std::vector<ConfigNode> items;  // of Kind::list
  std::vector<ConfigMember>
      members;  // of Kind::map, in the file's order; a key may stand there twice

  bool is_nothing() const { return kind == Kind::nothing; }
  bool is_text() const { return kind == Kind::text; }
  // The first member of that key; null: there is none.
  const ConfigNode* find(std::string_view key) const;
};

struct ConfigMember {
  std::string key;
  TextPlace place;  // of the key
  ConfigNode value;
};

constexpr std::size_t config_file_bytes_max = 1 << 20;
constexpr std::size_t config_nodes_max = 200'000;
constexpr std::size_t config_depth_max = 32;

// All documents of a YAML file; none for an empty one. Anchors, aliases and tags that make objects
// are refused: no such file needs them, and aliases let a short file stand for a huge tree. So are
// files over config_file_bytes_max, control characters, nesting beyond config_depth_max and more
// than config_nodes_max texts, lists and maps. Errors are complete complaints.
Result<std::vector<ConfigNode>> parse_yaml(const SourceText& source);

// A whole file of at most config_file_bytes_max, with its path as its name.
Result<SourceText> read_config_file(const std::string& path);

}  // namespace deferd
