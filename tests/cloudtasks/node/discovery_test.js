// googleapis, which is made from Google's discovery documents: enums by name, masks in camelCase, tasks:buffer.
'use strict';

const assert = require('node:assert/strict');
const { after, before, describe, test } = require('node:test');
const { cloudtasks } = require('googleapis/build/src/apis/cloudtasks');
const { startDeferd, startTarget } = require('./harness');

describe('discovery', () => {
  const parent = 'projects/my-project/locations/us-central1';
  let deferd, target, queues;
  let made = 0;

  before(async () => {
    deferd = await startDeferd();
    target = await startTarget();
    queues = cloudtasks({ version: 'v2', rootUrl: `${deferd.url}/` }).projects.locations.queues;
  });
  after(async () => {
    await target?.stop();
    await deferd?.stop();
  });

  async function makeQueue(settings = {}) {
    const requestBody = { name: `${parent}/queues/q${++made}`, ...settings };
    return (await queues.create({ parent, requestBody })).data;
  }
  const refused = (call, code, text) => assert.rejects(call, (error) => {
    assert.equal(error.status, code);
    assert.ok(error.message.includes(text), error.message);
    return true;
  });

  // CT-190, CT-248
  test('a queue is made, read and listed', async () => {
    const queue = await makeQueue({ rateLimits: { maxDispatchesPerSecond: 0.5 } });
    assert.deepEqual(queue, {
      name: queue.name,
      rateLimits: { maxDispatchesPerSecond: 0.5, maxBurstSize: 10, maxConcurrentDispatches: 1000 },
      retryConfig: { maxAttempts: 100, minBackoff: '0.100s', maxBackoff: '3600s', maxDoublings: 16 },
      state: 'RUNNING',
    });
    assert.deepEqual((await queues.get({ name: queue.name })).data, queue);
    const { data } = await queues.list({ parent, filter: `name=${queue.name}` });
    assert.deepEqual(data.queues, [queue]);
    await refused(queues.create({ parent, requestBody: { name: queue.name } }), 409, 'Queue already exists');
    await refused(queues.get({ name: `${parent}/queues/nowhere` }), 404, 'Queue does not exist.');
  });

  // CT-185, CT-189, CT-248
  test('an update names what it changes in camelCase', async () => {
    const { name } = await makeQueue({ retryConfig: { maxAttempts: 9 } });
    const { data } = await queues.patch({
      name,
      updateMask: 'rateLimits.maxDispatchesPerSecond,retryConfig.minBackoff',
      requestBody: { rateLimits: { maxDispatchesPerSecond: 5 }, retryConfig: { minBackoff: '2.5s' } },
    });
    assert.equal(data.rateLimits.maxDispatchesPerSecond, 5);
    assert.equal(data.retryConfig.minBackoff, '2.500s');
    assert.equal(data.retryConfig.maxAttempts, 9);
  });

  // CT-182, CT-187, CT-248
  test('a queue is paused, resumed, purged and deleted', async () => {
    const { name } = await makeQueue();
    assert.equal((await queues.pause({ name })).data.state, 'PAUSED');
    assert.equal((await queues.resume({ name })).data.state, 'RUNNING');
    assert.match((await queues.purge({ name, requestBody: {} })).data.purgeTime, /^20.*Z$/);
    assert.deepEqual((await queues.delete({ name })).data, {});
    await refused(queues.delete({ name }), 404, 'Requested entity was not found.');
  });

  // CT-175
  test('policies are kept', async () => {
    const { name: resource } = await makeQueue();
    const bindings = [{ role: 'roles/cloudtasks.viewer', members: ['user:a@example.com'] }];
    await queues.setIamPolicy({ resource, requestBody: { policy: { bindings } } });
    assert.deepEqual((await queues.getIamPolicy({ resource })).data.bindings, bindings);
    const permissions = ['cloudtasks.queues.get'];
    assert.deepEqual((await queues.testIamPermissions({ resource, requestBody: { permissions } })).data, { permissions });
  });

  // CT-100, CT-190
  test('a task is made, listed, read, run and deleted', async () => {
    const { name: queue } = await makeQueue();
    const task = {
      httpRequest: {
        url: target.url('/discovery'), httpMethod: 'PUT', headers: { 'X-Mine': 'yes' },
        body: Buffer.from('hello').toString('base64'),
      },
      scheduleTime: new Date(Date.now() + 86400 * 1000).toISOString(),
    };
    const { data: made } = await queues.tasks.create({ parent: queue, requestBody: { task, responseView: 'FULL' } });
    assert.equal(made.view, 'FULL');
    assert.equal(made.dispatchDeadline, '600s');
    assert.equal(Buffer.from(made.httpRequest.body, 'base64').toString(), 'hello');
    const { name } = made;
    const { data: basic } = await queues.tasks.get({ name });
    assert.equal(basic.view, 'BASIC');
    assert.equal(basic.httpRequest.body, undefined);
    assert.equal(basic.dispatchCount, undefined); // 0
    assert.deepEqual((await queues.tasks.list({ parent: queue, responseView: 'BASIC', pageSize: 10 })).data.tasks, [basic]);
    assert.equal((await queues.tasks.run({ name, requestBody: {} })).data.dispatchCount, 1);
    const [request] = await target.arrived('/discovery');
    assert.equal(request.method, 'PUT');
    assert.equal(request.headers['x-mine'], 'yes');
    assert.equal(request.body.toString(), 'hello');
    const { data: other } = await queues.tasks.create({ parent: queue, requestBody: { task } });
    assert.deepEqual((await queues.tasks.delete({ name: other.name })).data, {});
    await refused(queues.tasks.delete({ name: other.name }), 404, '');
  });

  // CT-213
  test('a task is buffered: the queue says where it goes', async () => {
    const { hostname, port } = new URL(target.url());
    const { name: queue } = await makeQueue({
      httpTarget: { uriOverride: { scheme: 'HTTP', host: hostname, port, pathOverride: { path: '/buffered' } } },
    });
    const requestBody = { body: { contentType: 'text/plain', data: Buffer.from('something').toString('base64') } };
    const { data } = await queues.tasks.buffer({ queue, taskId: 'order-17', requestBody });
    assert.equal(data.task.name, `${queue}/tasks/order-17`);
    const [request] = await target.arrived('/buffered');
    assert.equal(request.body.toString(), 'something');
  });
});
