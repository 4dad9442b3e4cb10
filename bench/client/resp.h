// Redis's protocol (RESP2): commands as arrays of bulk strings, answers as nested values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace deferd::bench {

// Appends "*N\r\n", the head of a command of `parts` parts; then each part.
void append_resp_array(std::string& out, std::size_t parts);
void append_resp_bulk(std::string& out, std::string_view text);

// Walks over the values of an answer in the order in which they are written.
class RespReader {
 public:
  explicit RespReader(std::string_view in) : in_(in) {}

  // The next value: its kind ('+', '-', ':', '$', '*'), and its text, or its number (of an integer,
  // or how many elements of an array follow; -1 for nil). Kind 0: what is there is not a whole
  // value; the reader is then of no more use.
  struct Value {
    char kind = 0;
    std::string_view text;
    std::int64_t number = 0;
  };
  Value next();

  // Passes over one value with all that it holds. False: incomplete.
  bool skip();

  std::size_t position() const { return at_; }

 private:
  std::string_view in_;
  std::size_t at_ = 0;
};

}  // namespace deferd::bench
