// parse_yaml(): the tree from the events of yaml-cpp. Its own node graph is not used: it resolves
// aliases, has no bounds and forgets which texts were quoted.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <sstream>

#include "config/config_tree.h"

namespace deferd {
namespace {

// Leaves yaml-cpp through its own frames; caught in parse_yaml().
struct Refused {
  TextPlace place;
  std::string message;
};

TextPlace place_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<std::uint32_t>(mark.line + 1), static_cast<std::uint32_t>(mark.column + 1)};
}

class TreeBuilder final : public YAML::EventHandler {
 public:
  std::vector<ConfigNode> documents;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check(mark, "", anchor);
    ConfigNode node;
    node.place = place_of(mark);
    put(std::move(node));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refused{place_of(mark), "an alias (*NAME) cannot be used here; write the value itself"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check(mark, tag, anchor);
    ConfigNode node;
    node.kind = ConfigNode::Kind::text;
    node.place = place_of(mark);
    node.text = value;
    node.quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    put(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(ConfigNode::Kind::list, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(ConfigNode::Kind::map, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  // A container that is not complete yet; of a map also the key that waits for its value.
  struct Open {
    ConfigNode node;
    std::string key;
    TextPlace key_place;
    bool has_key = false;
  };

  void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != 0) {
      throw Refused{place_of(mark),
                    "an anchor (&NAME) cannot be used here; write values where "
                    "they are used"};
    }
    if (!tag.empty() && tag != "?" && tag != "!" && !tag.starts_with("tag:yaml.org,2002:"))
      throw Refused{place_of(mark), "a tag (!NAME) cannot be used here"};
    if (++nodes_ > config_nodes_max) {
      throw Refused{place_of(mark),
                    "the file holds more than " + std::to_string(config_nodes_max) + " values"};
    }
  }
  void open(ConfigNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    check(mark, tag, anchor);
    if (open_.size() == config_depth_max) {
      throw Refused{place_of(mark), "lists and maps are nested more than " +
                                        std::to_string(config_depth_max) + " deep"};
    }
    Open opened;
    opened.node.kind = kind;
    opened.node.place = place_of(mark);
    open_.push_back(std::move(opened));
  }
  void close() {
    ConfigNode node = std::move(open_.back().node);
    open_.pop_back();
    put(std::move(node));
  }
  void put(ConfigNode node) {
    if (open_.empty()) {
      documents.push_back(std::move(node));
      return;
    }
    Open& in = open_.back();
    if (in.node.kind == ConfigNode::Kind::list) {
      in.node.items.push_back(std::move(node));
    } else if (in.has_key) {
      in.has_key = false;
      in.node.members.push_back({std::move(in.key), in.key_place, std::move(node)});
    } else if (node.is_text()) {
      in.has_key = true;
      in.key = std::move(node.text);
      in.key_place = node.place;
    } else {
      throw Refused{node.place, "a key must be one text"};
    }
  }

  std::vector<Open> open_;
  std::size_t nodes_ = 0;
};

// yaml-cpp takes 0x04 for the end of its input, and would call the rest of a file done.
Result<void> check_bytes(const SourceText& source) {
  if (source.text.size() > config_file_bytes_max)
    return fail(Reason::invalid, source.name + ": is larger than 1MiB");
  TextPlace place;
  for (const char c : source.text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7f) {
      return fail(source.error(place, "a control character cannot stand here (byte " +
                                          std::to_string(byte) + "); the file must be UTF-8 text"));
    }
    ++place.column;
    if (c == '\n') place = {place.line + 1, 1};
  }
  return {};
}

}  // namespace

Result<std::vector<ConfigNode>> parse_yaml(const SourceText& source) {
  if (auto ok = check_bytes(source); !ok) return fail(ok.error());
  TreeBuilder builder;
  try {
    std::istringstream in(source.text);
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refused& refused) {
    return fail(source.error(refused.place, refused.message));
  } catch (const YAML::Exception& error) {
    return fail(source.error(place_of(error.mark), "is not YAML: " + error.msg));
  }
  return std::move(builder.documents);
}

}  // namespace deferd
