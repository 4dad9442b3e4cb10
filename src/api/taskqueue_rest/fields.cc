#include "api/taskqueue_rest/fields.h"

#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace deferd::taskqueue_rest {
namespace {

constexpr std::array task_members = {Shape{"kind"},
                                     Shape{"id"},
                                     Shape{"queueName"},
                                     Shape{"payloadBase64"},
                                     Shape{"enqueueTimestamp"},
                                     Shape{"leaseTimestamp"},
                                     Shape{"retry_count"},
                                     Shape{"tag"}};
constexpr std::array tasks_members = {Shape{"kind"},
                                      Shape{"items", task_members.data(), task_members.size()}};
constexpr std::array stats_members = {Shape{"totalTasks"}, Shape{"oldestTask"},
                                      Shape{"leasedLastMinute"}, Shape{"leasedLastHour"}};
constexpr std::array acl_members = {Shape{"consumerEmails"}, Shape{"producerEmails"},
                                    Shape{"adminEmails"}};
constexpr std::array queue_members = {Shape{"kind"}, Shape{"id"}, Shape{"maxLeases"},
                                      Shape{"stats", stats_members.data(), stats_members.size()},
                                      Shape{"acl", acl_members.data(), acl_members.size()}};

}  // namespace

const Shape task_shape{"", task_members.data(), task_members.size()};
const Shape tasks_shape{"", tasks_members.data(), tasks_members.size()};
const Shape queue_shape{"", queue_members.data(), queue_members.size()};

// Goes down with the shape, so no text makes it go deeper than that.
class SelectionParser {
 public:
  explicit SelectionParser(std::string_view text) : left_(text) {}

  Result<Selection> all(const Shape& shape) {
    Selection selection;
    selection.all_ = false;
    if (auto ok = list(shape, selection); !ok) return fail(ok.error());
    if (!left_.empty()) return invalid(left_);
    return selection;
  }

 private:
  static tl::unexpected<Error> invalid(std::string_view what) {
    constexpr std::size_t shown_max = 60;
    return fail(Reason::invalid,
                "Invalid field selection " + std::string(what.substr(0, shown_max)), "fields");
  }

  bool take(char c) {
    if (!left_.starts_with(c)) return false;
    left_.remove_prefix(1);
    return true;
  }

  Result<void> list(const Shape& shape, Selection& into) {
    do {
      if (auto ok = item(shape, into); !ok) return ok;
    } while (take(','));
    return {};
  }

  Result<void> item(const Shape& shape, Selection& into) {
    const std::size_t end = std::min(left_.find_first_of(",/()"), left_.size());
    const std::string_view name = left_.substr(0, end);
    left_.remove_prefix(end);
    if (name == "*") {
      into.all_ = true;
      return {};
    }
    const Shape* child = nullptr;
    for (std::size_t i = 0; i < shape.child_count; ++i) {
      if (shape.children[i].name == name) child = &shape.children[i];
    }
    if (child == nullptr) return invalid(name);
    Selection& below = member(into, child->name);
    if (!left_.starts_with('/') && !left_.starts_with('(')) {
      below.all_ = true;
      return {};
    }
    if (child->child_count == 0) return invalid(name);
    if (take('/')) return item(*child, below);
    take('(');
    if (auto ok = list(*child, below); !ok) return ok;
    if (!take(')')) return invalid(name);
    return {};
  }

  // The same name twice selects what either does.
  static Selection& member(Selection& of, std::string_view name) {
    for (auto& [known, selection] : of.members_) {
      if (known == name) return selection;
    }
    Selection& added = of.members_.emplace_back(name, Selection()).second;
    added.all_ = false;
    return added;
  }

  std::string_view left_;
};

Result<Selection> Selection::parse(std::string_view text, const Shape& shape) {
  return SelectionParser(text).all(shape);
}

struct Pruner {
  static boost::json::value prune(const boost::json::value& value, const Selection& selection) {
    if (selection.all_) return value;
    if (const boost::json::array* array = value.if_array()) {
      boost::json::array kept;
      kept.reserve(array->size());
      for (const boost::json::value& each : *array) kept.push_back(prune(each, selection));
      return kept;
    }
    const boost::json::object* object = value.if_object();
    if (object == nullptr) return value;
    boost::json::object kept;
    for (const auto& member : *object) {
      for (const auto& [name, below] : selection.members_) {
        if (std::string_view(member.key()) == name)
          kept.emplace(member.key(), prune(member.value(), below));
      }
    }
    return kept;
  }
};

std::string Selection::apply(std::string json) const {
  if (all_) return json;
  return boost::json::serialize(Pruner::prune(boost::json::parse(json), *this));
}

}  // namespace deferd::taskqueue_rest
