// What answers of Google's client are held against.
'use strict';

const assert = require('node:assert/strict');
const { status } = require('@grpc/grpc-js');

// That `call` fails with the code named `code` and a message that has `text`; the details, an object each.
//
// Over gRPC the client's error has code, message and details unpacked. Over REST (gax 5) its code is the HTTP status, and
// its message the body, as it came.
async function refused(call, code, text) {
  const error = await call.then(() => assert.fail(`no error; expected ${code}`), (failure) => failure);
  let found = { code: error.code, status: status[error.code], message: error.message, details: error.statusDetails };
  if (error.message.startsWith('{')) found = JSON.parse(error.message).error;
  assert.equal(found.status, code, error.stack);
  assert.equal(found.code, error.code);
  assert.ok(found.message.includes(text), `"${found.message}" has not "${text}"`);
  return found.details;
}

// Milliseconds since 1970 of a google.protobuf.Timestamp, and milliseconds of a google.protobuf.Duration.
const millis = ({ seconds, nanos }) => Number(seconds ?? 0) * 1000 + (nanos ?? 0) / 1e6;

// A google.protobuf.Timestamp that this run does not see the end of.
const tomorrow = () => ({ seconds: Math.floor(Date.now() / 1000) + 86400 });

const names = (items) => items.map((item) => item.name);

module.exports = { millis, names, refused, tomorrow };
