// Node's clients over HTTP/JSON (fallback: 'rest').
'use strict';

const { describe } = require('node:test');

// CT-241
describe('v2 over REST', () => {
  require('./v2')('rest');
});
describe('v2beta3 over REST', () => {
  require('./v2beta3')('rest');
});
describe('v2beta2 over REST', () => {
  require('./v2beta2')('rest');
});
