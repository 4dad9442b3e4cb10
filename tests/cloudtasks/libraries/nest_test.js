// A NestJS application that publishes messages with @anchan828/nest-cloud-run-queue-tasks-publisher and receives them with its
// worker module.
'use strict';

require('reflect-metadata');
const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const { Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { TASKS_CLIENT, TasksPublisherModule, TasksPublisherService } =
  require('@anchan828/nest-cloud-run-queue-tasks-publisher');
const { QueueWorker, QueueWorkerModule, QueueWorkerProcess } = require('@anchan828/nest-cloud-run-queue-worker');
const { credentials } = require('@grpc/grpc-js');
const { freePort, startDeferd, waitUntil } = require('../node/harness');

process.env.METADATA_SERVER_DETECTION = 'none';
const parent = 'projects/my-project/locations/us-central1';
const queue = `${parent}/queues/nest`;

let deferd, application, publisher;
const received = [];
let failures = 0;

class Greeter {
  process(message, raw) {
    received.push({ message, headers: raw.headers });
    if (received.length <= failures) throw new Error('not yet');
  }
}
const { prototype } = Greeter; // what TypeScript's decorators do
QueueWorkerProcess()(prototype, 'process', Object.getOwnPropertyDescriptor(prototype, 'process'));
QueueWorker('greet')(Greeter);

before(async () => {
  deferd = await startDeferd();
  const port = await freePort();
  class ApplicationModule {}
  Module({
    imports: [
      TasksPublisherModule.register({
        clientConfig: {
          apiEndpoint: 'localhost', port: deferd.port, projectId: 'my-project', sslCreds: credentials.createInsecure(),
        },
        publishConfig: { httpRequest: { url: `http://127.0.0.1:${port}/work` } },
        queue,
      }),
      QueueWorkerModule.register({ workerController: { path: 'work' } }),
    ],
    providers: [Greeter],
  })(ApplicationModule);
  application = await NestFactory.create(ApplicationModule, { logger: false });
  await application.listen(port, '127.0.0.1');
  publisher = application.get(TasksPublisherService);
  await application.get(TASKS_CLIENT).createQueue({ parent, queue: { name: queue } });
});

after(async () => {
  await application?.get(TASKS_CLIENT).close();
  await application?.close();
  await deferd?.stop();
});

test('a message reaches its worker, and is tried again when that fails', async () => {
  failures = 1;
  const name = await publisher.publish({ name: 'greet', data: { to: 'ann' } });
  await waitUntil(() => received.length === 2, 'the second attempt');
  assert.deepEqual(received.map(({ message }) => message), [{ to: 'ann' }, { to: 'ann' }]);
  assert.deepEqual(received.map(({ headers }) => headers['x-cloudtasks-taskretrycount']), ['0', '1']);
  assert.equal(received[0].headers['x-cloudtasks-taskname'], name.split('/').pop());
});

test('a deduplication id is used once', async () => {
  const options = { deduplicationId: 'order-17', scheduleTime: { seconds: Math.floor(Date.now() / 1000) + 3600 } };
  await publisher.publish({ name: 'greet', data: { to: 'bob' } }, options);
  await assert.rejects(publisher.publish({ name: 'greet', data: { to: 'bob' } }, options), /ALREADY_EXISTS/);
});
