// Whatever a target sends, in whatever pieces: no assertion (ours or Beast's) trips, a status is in
// 100..599, a failure says why, what is kept of an answer is bounded. The first byte says how large
// pieces are and whether the answer is kept, and is to a HEAD.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

#include "base/assert.h"
#include "dispatch/answer_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using deferd::AnswerReader;
  if (size == 0) return 0;
  const std::size_t piece_max = 1 + (data[0] & 63);
  const bool keeps = (data[0] & 64) != 0;
  const bool to_head = (data[0] & 128) != 0;
  ++data;
  --size;
  constexpr std::uint64_t kept_bytes_max = 1000;
  const auto budget = std::make_shared<deferd::ResponseBudget>(kept_bytes_max);
  static const auto options = std::make_shared<const deferd::TaskOptions>(
      deferd::TaskOptions{.result_headers = {"a", "b"}});
  const auto kept = [&] {
    return keeps ? std::make_unique<deferd::KeptResponse>(budget, options) : nullptr;
  };
  AnswerReader reader(100);
  reader.begin(to_head, kept());
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
      if (const auto response = deferd::KeptResponse::share(reader.take_kept())) {
        std::size_t bytes = response->body.size();
        for (const auto& [name, value] : response->headers) bytes += name.size() + value.size();
        // A string holds a few bytes before it takes any.
        DEFERD_ASSERT(bytes <= kept_bytes_max + std::string().capacity());
      }
      if (!reader.reusable()) return 0;
      reader.begin(to_head, kept());
      state = AnswerReader::State::reading;
    }
  }
  if (state == AnswerReader::State::reading) state = reader.ended();
  if (state == AnswerReader::State::failed) DEFERD_ASSERT(!reader.why().empty());
  return 0;
}
