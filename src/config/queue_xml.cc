#include "config/queue_xml.h"

#include <algorithm>
#include <optional>
#include <pugixml.hpp>

namespace deferd {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  const std::size_t from = text.find_first_not_of(space);
  if (from == text.npos) return {};
  return text.substr(from, text.find_last_not_of(space) - from + 1);
}

// Where lines begin, so that a place is found without walking the file again for each element.
class Places {
 public:
  explicit Places(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\n') line_starts_.push_back(i + 1);
    }
  }
  TextPlace at(std::ptrdiff_t offset) const {
    const auto byte = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, offset));
    const auto next = std::ranges::upper_bound(line_starts_, byte);
    return {static_cast<std::uint32_t>(next - line_starts_.begin()),
            static_cast<std::uint32_t>(byte - *std::prev(next) + 1)};
  }

 private:
  std::vector<std::size_t> line_starts_{0};
};

class Converter {
 public:
  explicit Converter(const SourceText& source) : source_(source), places_(source.text) {}

  Result<ConfigNode> convert(const pugi::xml_node root) {
    ConfigNode top = element(root, 0);
    if (error_) return fail(std::move(*error_));
    gather_queues(top);
    return top;
  }

  Error error_at(std::ptrdiff_t offset, std::string_view message) const {
    return source_.error(places_.at(offset), message);
  }

 private:
  ConfigNode element(const pugi::xml_node xml, std::size_t depth) {
    ConfigNode node;
    node.place = places_.at(xml.offset_debug());
    check(xml, depth);
    std::string text;
    for (const pugi::xml_node child : xml.children()) {
      if (error_) return node;
      if (child.type() != pugi::node_element) {
        text += child.value();
        continue;
      }
      ConfigMember member;
      member.key = child.name();
      std::ranges::replace(member.key, '-', '_');
      member.value = element(child, depth + 1);
      member.place = member.value.place;
      node.members.push_back(std::move(member));
    }
    text = trimmed(text);
    if (!node.members.empty()) {
      node.kind = ConfigNode::Kind::map;
      if (!text.empty()) refuse(xml, "text cannot stand beside elements here");
    } else if (!text.empty()) {
      node.kind = ConfigNode::Kind::text;
      node.quoted = true;  // nothing in XML is a number by its looks
      node.text = std::move(text);
    }
    if (std::string_view(xml.name()) == "acl") as_list(node);
    return node;
  }

  void check(const pugi::xml_node xml, std::size_t depth) {
    if (depth == config_depth_max) {
      refuse(xml, "elements are nested more than " + std::to_string(config_depth_max) + " deep");
    }
    if (++nodes_ > config_nodes_max) {
      refuse(xml, "the file holds more than " + std::to_string(config_nodes_max) + " elements");
    }
    for (const pugi::xml_attribute attribute : xml.attributes()) {
      const std::string_view name = attribute.name();
      if (!name.starts_with("xml")) {  // xmlns, xml:lang
        refuse(xml, "the element has an attribute, " + std::string(name.substr(0, 80)) +
                        "; values stand between tags");
      }
    }
  }

  // <acl><user-email>a</user-email><writer-email>b</writer-email></acl> is a list of two.
  static void as_list(ConfigNode& node) {
    if (node.kind != ConfigNode::Kind::map) return;
    node.kind = ConfigNode::Kind::list;
    for (ConfigMember& member : node.members) {
      ConfigNode item;
      item.kind = ConfigNode::Kind::map;
      item.place = member.place;
      item.members.push_back(std::move(member));
      node.items.push_back(std::move(item));
    }
    node.members.clear();
  }

  // The <queue> elements stand side by side where queue.yaml has one list.
  static void gather_queues(ConfigNode& root) {
    ConfigNode queues;
    queues.kind = ConfigNode::Kind::list;
    queues.place = root.place;
    root.kind = ConfigNode::Kind::map;
    std::vector<ConfigMember> others;
    for (ConfigMember& member : root.members) {
      if (member.key != "queue") {
        others.push_back(std::move(member));
        continue;
      }
      // An empty one is a queue without a name, not nothing.
      if (member.value.is_nothing()) member.value.kind = ConfigNode::Kind::map;
      queues.items.push_back(std::move(member.value));
    }
    root.members = std::move(others);
    const TextPlace place = root.place;
    root.members.push_back({"queue", place, std::move(queues)});
  }

  void refuse(const pugi::xml_node xml, std::string_view message) {
    if (!error_) error_ = error_at(xml.offset_debug(), message);
  }

  const SourceText& source_;
  const Places places_;
  std::size_t nodes_ = 0;
  std::optional<Error> error_;
};

}  // namespace

Result<std::vector<ConfigNode>> parse_queue_xml(const SourceText& source) {
  if (source.text.size() > config_file_bytes_max)
    return fail(Reason::invalid, source.name + ": is larger than 1MiB");
  Converter converter(source);
  pugi::xml_document document;
  const pugi::xml_parse_result parsed =
      document.load_buffer(source.text.data(), source.text.size(),
                           pugi::parse_default | pugi::parse_doctype, pugi::encoding_utf8);
  if (!parsed) {
    return fail(
        converter.error_at(parsed.offset, "is not XML: " + std::string(parsed.description())));
  }
  for (const pugi::xml_node child : document.children()) {
    if (child.type() == pugi::node_doctype) {
      return fail(converter.error_at(0, "a document type (<!DOCTYPE ...>) cannot be used here"));
    }
  }
  const pugi::xml_node root = document.document_element();
  if (std::string_view(root.name()) != "queue-entries") {
    return fail(
        converter.error_at(root.offset_debug(), "the root element must be <queue-entries>"));
  }
  if (root.next_sibling()) {
    return fail(converter.error_at(root.next_sibling().offset_debug(),
                                   "Multiple queue: sections in configuration."));
  }
  auto top = converter.convert(root);
  if (!top) return fail(top.error());
  return std::vector<ConfigNode>{std::move(*top)};
}

}  // namespace deferd
