// Whatever a target sends, in whatever pieces: no assertion (ours or Beast's) trips, a status is in
// 100..599, a failure says why. The first byte says how large pieces are and whether the request
// was a HEAD.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/assert.h"
#include "dispatch/answer_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using deferd::AnswerReader;
  if (size == 0) return 0;
  const std::size_t piece_max = 1 + (data[0] & 127);
  const bool to_head = (data[0] & 128) != 0;
  ++data;
  --size;
  AnswerReader reader(100);
  reader.begin(to_head);
  AnswerReader::State state = AnswerReader::State::reading;
  while (size > 0) {
    const std::span<char> space = reader.space();
    DEFERD_ASSERT(!space.empty());
    const std::size_t piece = std::min({space.size(), piece_max, size});
    std::memcpy(space.data(), data, piece);
    data += piece;
    size -= piece;
    state = reader.received(piece);
    if (state == AnswerReader::State::failed) break;
    if (state == AnswerReader::State::answered) {
      DEFERD_ASSERT(reader.status() >= 100);
      DEFERD_ASSERT(reader.status() <= 599);
      if (!reader.reusable()) return 0;
      reader.begin(to_head);
      state = AnswerReader::State::reading;
    }
  }
  if (state == AnswerReader::State::reading) state = reader.ended();
  if (state == AnswerReader::State::failed) DEFERD_ASSERT(!reader.why().empty());
  return 0;
}
