// Bytes as they come from a socket: [begin, end) of one piece of memory is what was received and
// not yet used. Its owner says when it grows and by how much; nothing here has a bound of its own.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace deferd::http {

class ReadBuffer {
 public:
  std::string_view text() const { return {data_.get() + begin_, end_ - begin_}; }
  std::size_t size() const { return end_ - begin_; }
  std::size_t capacity() const { return capacity_; }
  char* room() { return data_.get() + end_; }
  std::size_t room_size() const { return capacity_ - end_; }

  void received(std::size_t bytes) { end_ += bytes; }
  void consume(std::size_t bytes);
  // Removes `bytes` that follow the first `offset`.
  void cut(std::size_t offset, std::size_t bytes);
  // Moves what is there to the front, and to a larger piece of memory if `capacity` asks for one.
  void make_room(std::size_t capacity);
  void shrink_to(std::size_t capacity);

 private:
  std::unique_ptr<char[]> data_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace deferd::http
