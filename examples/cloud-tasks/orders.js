// Cloud Tasks in one file: a queue, two tasks, and the handler that they reach. The second needs two attempts.
//
// With CLOUD_TASKS_EMULATOR_HOST (localhost:8123) it speaks to deferd, without it to Google; nothing else differs.
'use strict';

const http = require('node:http');
const { CloudTasksClient } = require('@google-cloud/tasks');
const { credentials } = require('@grpc/grpc-js');

const parent = 'projects/my-project/locations/us-central1';
const queue = `${parent}/queues/orders`;
const port = Number(process.env.PORT || 8080);

function makeClient() {
  const host = process.env.CLOUD_TASKS_EMULATOR_HOST;
  if (!host) return new CloudTasksClient();
  const [apiEndpoint, apiPort] = host.split(':'); // the port is an option of its own
  return new CloudTasksClient({
    apiEndpoint, port: Number(apiPort), projectId: 'my-project', sslCreds: credentials.createInsecure(),
  });
}

// What the queue calls. 2xx ends the task, anything else tries it again later.
const handler = http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const order = JSON.parse(Buffer.concat(chunks));
  const attempt = Number(request.headers['x-cloudtasks-taskretrycount']) + 1;
  const done = order.number === 17 || attempt === 2;
  console.log(`order ${order.number}, attempt ${attempt}: ${done ? 'done' : 'not yet'}`);
  response.writeHead(done ? 200 : 503, { Connection: 'close' }).end();
  if (order.number === 18 && done) handler.close();
});

async function main() {
  handler.listen(port, '127.0.0.1');
  const client = makeClient();
  try {
    await client.createQueue({ parent, queue: { name: queue, rateLimits: { maxDispatchesPerSecond: 10 } } });
  } catch (error) {
    if (error.code !== 6) throw error; // ALREADY_EXISTS
  }
  for (const number of [17, 18]) {
    const httpRequest = {
      url: `http://127.0.0.1:${port}/orders`,
      headers: { 'Content-Type': 'application/json' },
      body: Buffer.from(JSON.stringify({ number })),
    };
    const [task] = await client.createTask({ parent: queue, task: { httpRequest } });
    console.log(`order ${number} is ${task.name}`);
  }
  await client.close();
}

main();
