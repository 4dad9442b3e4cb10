// Identity tokens of pushes, verified by Google's own library as a handler would.
'use strict';

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const { OAuth2Client } = require('google-auth-library');
const { makeWorld } = require('./world');

describe('tokens', () => {
  const world = makeWorld('v2', 'grpc');
  const account = 'tasks@shop.example.com';

  // A handler's verifier, which knows the issuer and nothing else.
  const verifier = (issuer = world.deferd.url) => new OAuth2Client({
    endpoints: { oauth2FederatedSignonPemCertsUrl: `${world.deferd.url}/oauth2/v1/certs` },
    issuers: [issuer],
  });

  // The token with which a task arrives at `path` that asks for `oidcToken`.
  async function tokenOf(path, oidcToken) {
    const { name: parent } = await world.makeQueue();
    const task = { httpRequest: { url: world.target.url(path), headers: { Authorization: 'mine' }, oidcToken } };
    await world.client.createTask({ parent, task });
    const [request] = await world.target.arrived(path);
    const [scheme, token] = request.headers.authorization.split(' ');
    assert.equal(scheme, 'Bearer');
    return token;
  }

  // CT-170, CT-172, CT-173
  test('a token for an audience is accepted, with who it is for and whose it is', async () => {
    const audience = 'https://shop.example.com/tasks';
    const idToken = await tokenOf('/audience', { serviceAccountEmail: account, audience });
    const ticket = await verifier().verifyIdToken({ idToken, audience });
    const claims = ticket.getPayload();
    assert.equal(claims.email, account);
    assert.equal(claims.email_verified, true);
    assert.equal(claims.iss, world.deferd.url);
    assert.ok(claims.exp > claims.iat);
    assert.equal(ticket.getEnvelope().alg, 'RS256');
  });

  // CT-171, CT-172
  test('a token without an audience is for the url of its task', async () => {
    const idToken = await tokenOf('/no-audience?a=b', { serviceAccountEmail: account });
    const ticket = await verifier().verifyIdToken({ idToken, audience: world.target.url('/no-audience?a=b') });
    assert.equal(ticket.getPayload().email, account);
  });

  // CT-172
  test('a token is refused for another audience, of another issuer, and when it was changed', async () => {
    const audience = 'https://shop.example.com/tasks';
    const idToken = await tokenOf('/refused', { serviceAccountEmail: account, audience });
    await assert.rejects(verifier().verifyIdToken({ idToken, audience: 'https://other.example.com' }), /recipient/);
    await assert.rejects(verifier('https://accounts.google.com').verifyIdToken({ idToken, audience }), /issuer/);
    const [head, claims, signature] = idToken.split('.');
    const others = { ...JSON.parse(Buffer.from(claims, 'base64url')), email: 'admin@shop.example.com' };
    const changed = [head, Buffer.from(JSON.stringify(others)).toString('base64url'), signature].join('.');
    await assert.rejects(verifier().verifyIdToken({ idToken: changed, audience }), /signature/);
  });
});
