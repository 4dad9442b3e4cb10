#include "api/http/read_buffer.h"

#include <cstring>
#include <utility>

namespace deferd::http {

void ReadBuffer::consume(std::size_t bytes) {
  begin_ += bytes;
  if (begin_ == end_) begin_ = end_ = 0;
}

void ReadBuffer::cut(std::size_t offset, std::size_t bytes) {
  char* const at = data_.get() + begin_ + offset;
  std::memmove(at, at + bytes, size() - offset - bytes);
  end_ -= bytes;
}

void ReadBuffer::make_room(std::size_t capacity) {
  if (capacity > capacity_) {
    std::unique_ptr<char[]> larger(new char[capacity]);  // not zeroed
    if (size() > 0) std::memcpy(larger.get(), data_.get() + begin_, size());
    data_ = std::move(larger);
    capacity_ = capacity;
  } else if (begin_ > 0 && size() > 0) {
    std::memmove(data_.get(), data_.get() + begin_, size());
  }
  end_ = size();
  begin_ = 0;
}

void ReadBuffer::shrink_to(std::size_t capacity) {
  if (capacity_ <= capacity || size() > capacity) return;
  std::unique_ptr<char[]> smaller(new char[capacity]);
  if (size() > 0) std::memcpy(smaller.get(), data_.get() + begin_, size());
  data_ = std::move(smaller);
  capacity_ = capacity;
  end_ = size();
  begin_ = 0;
}

}  // namespace deferd::http
