// Healthy when something listens on every port, and answers 200 at every URL, that is named: `node healthcheck.mjs 2379 http://127.0.0.1:10259/healthz`.
// Certificates are not looked at: it asks its own container.
import { request as http } from 'node:http';
import { request as https } from 'node:https';
import { connect } from 'node:net';

const listens = (port) =>
  new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => resolve(socket.destroy()));
    socket.on('error', reject);
  });

const answers = (url) =>
  new Promise((resolve, reject) => {
    const call = (url.startsWith('https:') ? https : http)(url, { rejectUnauthorized: false, agent: false, timeout: 5_000 }, (response) => {
      response.resume();
      if (response.statusCode === 200) resolve();
      else reject(new Error(`${url} answered ${response.statusCode}`));
    });
    call.on('timeout', () => call.destroy(new Error('no answer in time')));
    call.on('error', reject);
    call.end();
  });

await Promise.all(process.argv.slice(2).map((target) => (target.includes(':') ? answers(target) : listens(target)))).catch((error) => {
  process.stdout.write(`${error.message}\n`);
  process.exit(1);
});
