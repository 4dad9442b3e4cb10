// A field mask: which parts of a message a call is about (CT-spec 9.15).
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/field_mask.pb.h>

#include <string>
#include <string_view>
#include <vector>

#include "api/cloudtasks/outcome.h"

namespace deferd::cloudtasks {

class Mask {
 public:
  enum class Take {
    keep,   // the mask does not name it
    merge,  // the mask names a message that it is in: taken if it is set
    set,    // the mask names it: taken as it is, also unset
  };

  // All of it, as no mask says, and "*".
  Mask() = default;
  // Paths in snake or camel case. Fails with INVALID_ARGUMENT when a path names no field of
  // `message`.
  static Outcome<Mask> parse(const google::protobuf::FieldMask& mask,
                             const google::protobuf::Descriptor& message);

  google::protobuf::FieldMask paths() const { return below(""); }

  bool is_all() const { return paths_.empty(); }
  Take take(std::string_view path) const;
  // Whether it names the path, or one within it, or one that it is in.
  bool touches(std::string_view path) const;
  // Whether a path of the mask is this one.
  bool names(std::string_view path) const;
  // The mask of what lies at or below `path`, for messages that are merged as a whole.
  google::protobuf::FieldMask below(std::string_view path) const;

 private:
  std::vector<std::string> paths_;  // snake case
};

}  // namespace deferd::cloudtasks
