// Healthy when something listens on every port named: `node healthcheck.mjs 6443 6444`.
import { connect } from 'node:net';

const listens = (port) =>
  new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => resolve(socket.destroy()));
    socket.on('error', reject);
  });

await Promise.all(process.argv.slice(2).map(listens)).catch(() => process.exit(1));
