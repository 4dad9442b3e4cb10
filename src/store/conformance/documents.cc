// What doors keep beside tasks.
#include <algorithm>

#include "store/conformance/suite.h"

namespace deferd {
namespace {

std::vector<Document> sorted(std::vector<Document> documents) {
  std::ranges::sort(documents, {},
                    [](const Document& one) { return std::pair(one.queue, one.key); });
  return documents;
}

TEST_P(StoreConformance, DocumentsAreKeptUntilTheyAreForgottenWhateverBecomesOfTheirQueue) {
  const QueueName one{"p.1:x", "europe-west1", "q_1"};
  const QueueName two{"p", "l", "q"};
  const std::string bytes("\0\xff/\n", 4);
  Batch batch;
  batch.documents = {{one, "a/b", "old", at(1)}, {one, "", bytes, at(2)}, {two, "a/b", "x", at(3)}};
  commit(std::move(batch));
  batch = {};
  batch.documents = {
      {one, "a/b", "new", at(4)}, {two, "a/b", "", Wall{}}, {two, "never", "", Wall{}}};
  batch.dropped = {QueueNumber{1}};
  commit(std::move(batch));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    const auto loaded = store().load();
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    EXPECT_EQ(sorted(loaded->documents),
              sorted({{one, "", bytes, at(2)}, {one, "a/b", "new", at(4)}}));
  }
}

}  // namespace
}  // namespace deferd
