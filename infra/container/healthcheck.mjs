// Healthy when something listens on every port (of 127.0.0.1, or host:port), and answers 200 at every URL, that is named:
// `node healthcheck.mjs 2379 https://127.0.0.1:10259/healthz`.
// Certificates are not looked at: it asks its own container.
//
// `network=FILE` ends the container's processes when it is in another network namespace than FILE says, so that the engine starts it again: that
// is what becomes of containers in the network of another one (network_mode: service:node1) when that one, which writes FILE, was restarted.
import { readFileSync, readlinkSync } from 'node:fs';
import { request as http } from 'node:http';
import { request as https } from 'node:https';
import { connect } from 'node:net';

const listens = (target) =>
  new Promise((resolve, reject) => {
    const [port, host = '127.0.0.1'] = target.split(':').reverse();
    const socket = connect(Number(port), host, () => resolve(socket.destroy()));
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

const isInNetworkOf = (file) => {
  if (readFileSync(file, 'utf8').trim() === readlinkSync('/proc/self/ns/net')) return;
  // All but the first process, which ends with its child, and this one.
  process.kill(-1, 'SIGKILL');
  throw new Error('the network of this container is gone');
};

const check = async (target) => (target.startsWith('network=') ? isInNetworkOf(target.slice('network='.length)) : /^https?:/.test(target) ? answers(target) : listens(target));
await Promise.all(process.argv.slice(2).map(check)).catch((error) => {
  process.stdout.write(`${error.message}\n`);
  process.exit(1);
});
