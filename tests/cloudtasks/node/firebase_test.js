// Firebase's Admin SDK, which finds a server by CLOUD_TASKS_EMULATOR_HOST alone.
'use strict';

const assert = require('node:assert/strict');
const { after, before, describe, test } = require('node:test');
const { deleteApp, initializeApp } = require('firebase-admin/app');
const { getFunctions } = require('firebase-admin/functions');
const { startDeferd, startTarget } = require('./harness');
const { makeClient } = require('./clients');

describe('firebase', () => {
  const queue = 'projects/my-project/locations/us-central1/queues/sendEmail';
  let deferd, target, client, app, taskQueue;

  before(async () => {
    deferd = await startDeferd();
    target = await startTarget();
    client = makeClient('v2', 'rest', deferd.port);
    process.env.CLOUD_TASKS_EMULATOR_HOST = `localhost:${deferd.port}`;
    app = initializeApp({ projectId: 'my-project' });
    taskQueue = getFunctions(app).taskQueue('sendEmail');
    // Where the function is: what Firebase's own tools register at their emulator.
    const answer = await fetch(`${deferd.url}/${queue}`, {
      method: 'POST',
      body: JSON.stringify({ defaultUri: target.url('/sendEmail'), retryConfig: { maxAttempts: 3 }, rateLimits: {} }),
      headers: { 'Content-Type': 'application/json', Authorization: 'Bearer owner' },
    });
    assert.equal(answer.status, 200, await answer.text());
  });
  after(async () => {
    if (app) await deleteApp(app);
    await client?.close();
    await target?.stop();
    await deferd?.stop();
  });

  // CT-249
  test('a task without a url goes to the function of its queue', async () => {
    await taskQueue.enqueue({ to: 'ann' });
    const [request] = await target.arrived('/sendEmail');
    assert.equal(request.headers['content-type'], 'application/json');
    assert.deepEqual(JSON.parse(request.body), { data: { to: 'ann' } });
  });

  // CT-249
  test('an id is used once, and deleting what is not there is silent', async () => {
    const options = { id: 'order-17', scheduleDelaySeconds: 3600 };
    await taskQueue.enqueue({}, options);
    await assert.rejects(taskQueue.enqueue({}, options), { code: 'functions/task-already-exists' });
    await taskQueue.delete('order-17');
    await taskQueue.delete('order-17');
    await taskQueue.delete('never');
  });

  // CT-250
  test('a task waits for its time, and goes to its own uri', async () => {
    const uri = target.url('/own');
    const at = Date.now() + 1500;
    await taskQueue.enqueue({ to: 'bob' }, { scheduleTime: new Date(at), uri, dispatchDeadlineSeconds: 20 });
    await taskQueue.enqueue({ to: 'eve' }, { scheduleTime: new Date(Date.now() + 86400 * 1000), uri });
    const [request] = await target.arrived('/own');
    assert.ok(request.at >= at, `${at - request.at} ms too early`);
    const [[waiting]] = await client.listTasks({ parent: queue, responseView: 'FULL' });
    assert.deepEqual(JSON.parse(waiting.httpRequest.body), { data: { to: 'eve' } });
  });
});
