// What every test here needs: a real deferd, a target that tasks are sent to, and waiting with a deadline.
'use strict';

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

const root = path.resolve(__dirname, '../../..');
const binary = process.env.DEFERD_BINARY || path.join(root, 'build/bin/deferd');

// The first true value of condition(), which may be asynchronous; fails with `what` when none comes in time.
async function waitUntil(condition, what, seconds = 10) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function freePort() {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

// Whether deferd says that it is ready; an error when the process has ended.
async function ready(child, port, log) {
  if (child.exitCode !== null) throw new Error(`deferd ended with ${child.exitCode}:\n${fs.readFileSync(log, 'utf8')}`);
  return fetch(`http://127.0.0.1:${port}/readyz`).then((answer) => answer.ok, () => false);
}

// A server with a data folder of its own, stopped by stop(): {port, url, stop}.
async function startDeferd(...flags) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'deferd-node-'));
  const log = path.join(folder, 'log');
  const port = await freePort();
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DEFERD_')));
  const output = fs.openSync(log, 'a');
  const child = spawn(binary, ['--data', path.join(folder, 'data'), '--listen', `127.0.0.1:${port}`, ...flags],
    { env, stdio: ['ignore', output, output] });
  fs.closeSync(output);
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  await waitUntil(() => ready(child, port, log), `deferd to be ready (log: ${log})`, 30);
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async stop() {
      process.removeListener('exit', kill);
      kill();
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      fs.rmSync(folder, { recursive: true });
    },
  };
}

// A server that tasks are sent to. `requests` has all that came: {method, path, headers, body, at}; `answer` gives a status
// for one of them. {requests, answer, url(path), arrived(count), stop}.
async function startTarget() {
  const target = { requests: [], answer: () => 200 };
  const server = http.createServer(async (incoming, outgoing) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const { method, url, headers } = incoming;
    const request = { method, path: url, headers, body: Buffer.concat(chunks), at: Date.now() };
    target.requests.push(request);
    outgoing.writeHead(await target.answer(request)).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  target.url = (where = '/') => `http://127.0.0.1:${server.address().port}${where}`;
  // The requests for `where`, once there are `count` of them.
  target.arrived = (where, count = 1) => waitUntil(() => {
    const found = target.requests.filter((request) => request.path === where);
    return found.length >= count && found;
  }, `${count} requests for ${where}`);
  target.stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return target;
}

module.exports = { freePort, startDeferd, startTarget, waitUntil };
