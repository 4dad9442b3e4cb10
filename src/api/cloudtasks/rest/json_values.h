// Scalars of messages as JSON has them (proto3's JSON mapping).
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <string>
#include <string_view>

namespace deferd::cloudtasks::rest {

// "2026-11-24T22:53:01.5Z", with any offset and up to nine decimals.
bool read_timestamp(std::string_view text, google::protobuf::Timestamp& out);
void append_timestamp(const google::protobuf::Timestamp& time, std::string& out);

// "0.100s": up to nine decimals, at most 315,576,000,000 seconds either way.
bool read_duration_text(std::string_view text, google::protobuf::Duration& out);
void append_duration(const google::protobuf::Duration& duration, std::string& out);

// Paths with commas between them, as they are written: both cases are taken where a mask is read.
bool read_mask(std::string_view text, google::protobuf::FieldMask& out);
std::string mask_text(const google::protobuf::FieldMask& mask);

}  // namespace deferd::cloudtasks::rest
