// What a task carries reads back as it was written, also by a server that is newer than the writer.
#include "model/push_request.h"

#include <gtest/gtest.h>

namespace deferd {
namespace {

using namespace std::string_literals;

PushRequest sample() {
  PushRequest request;
  request.door = Door::appengine;
  request.method = HttpMethod::put;
  request.url = "/work?x=%20";
  request.headers = {{"X-A", "1"}, {"X-A", "2"}, {"Empty", ""}};
  request.body = "\0body\xff"s;
  return request;
}

TEST(PushRequest, ReadsBackAsItWasWritten) {
  for (const std::string& note : {""s, "n"s, "\0note\x80"s, std::string(70'000, 'n')}) {
    PushRequest request = sample();
    request.note = note;
    const Result<PushRequest> again = decode_push_request(encode(request));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(*again, request);
    request.token = PushToken{PushToken::Kind::oidc, "a@example.com", "https://example.com", ""};
    EXPECT_EQ(decode_push_request(encode(request)).value(), request);
    request.token = PushToken{PushToken::Kind::oauth, "a@example.com", "", "scope"};
    EXPECT_EQ(decode_push_request(encode(request)).value(), request);
  }
}

// Bytes that were stored before notes were there: they may never mean anything else.
TEST(PushRequest, ReadsWhatIsStoredAlready) {
  const std::string stored =
      "\x01\x03\x0bhttp://h/ab\x01\x03X-A\x01\x31"
      "body"s;
  const Result<PushRequest> request = decode_push_request(stored);
  ASSERT_TRUE(request) << request.error().message;
  PushRequest expected;
  expected.door = Door::native;
  expected.method = HttpMethod::put;
  expected.url = "http://h/ab";
  expected.headers = {{"X-A", "1"}};
  expected.body = "body";
  EXPECT_EQ(*request, expected);
  EXPECT_EQ(encode(*request), stored) << "without a note nothing has changed";
}

TEST(PushRequest, DamageIsAnErrorWhereverItIsCut) {
  PushRequest request = sample();
  request.note = "note";
  request.token = PushToken{PushToken::Kind::oidc, "a@example.com", "https://example.com", ""};
  request.body.clear();  // a shorter body would decode
  const std::string bytes = encode(request);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_push_request(std::string_view(bytes).substr(0, size))) << size;
  }
  EXPECT_FALSE(decode_push_request("\x04\x00\x00\x00"s)) << "a format of the future";
}

}  // namespace
}  // namespace deferd
