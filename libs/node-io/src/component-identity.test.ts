import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type Bus, createNatsBus } from '@orrery/bus';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { componentIdentity, natsServerConfig } from './component-identity.ts';
import { ensurePki } from './pki/index.ts';
import { realClock } from './real-clock.ts';

const pki = ensurePki(undefined);
const certificate = (user: string): { cert: string; key: string } => pki.servingCert(user, componentIdentity({ user, groups: ['orrery:components'] }));

it('gives the name that publishes to the API server alone', () => {
  const names = (user: string): readonly string[] => componentIdentity({ user, groups: [], hostNames: ['node1'] }).altNames.dnsNames ?? [];
  expect(names('kube-apiserver')).toEqual(['publisher.orrery.internal', 'orrery.internal', 'localhost', 'node1']);
  expect(names('system:kube-scheduler')).toEqual(['orrery.internal', 'localhost', 'node1']);
});

const hasNats = (process.env['PATH'] ?? '').split(delimiter).some((dir) => {
  try {
    accessSync(join(dir, 'nats-server'));
    return true;
  } catch {
    return false;
  }
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

describe.runIf(hasNats)('a NATS server of a cluster', () => {
  const dir = mkdtempSync(join(tmpdir(), 'orrery-nats-'));
  const buses: Bus[] = [];
  const failures: string[] = [];
  let server: ChildProcess;
  let url: string;

  const connect = (tls?: { ca: string; cert?: string; key?: string }): Bus => {
    const bus = createNatsBus({ url, clock: realClock, reconnectWaitMs: 50, onError: (error) => failures.push(error.message), ...(tls ? { tls } : {}) });
    buses.push(bus);
    return bus;
  };
  const as = (user: string): Bus => connect({ ca: pki.caCert, ...certificate(user) });

  beforeAll(async () => {
    const listen = `127.0.0.1:${await freePort()}`;
    url = `nats://${listen}`;
    const files = { ca: join(dir, 'ca'), cert: join(dir, 'cert'), key: join(dir, 'key') };
    const own = { ca: pki.caCert, ...certificate('nats') };
    for (const part of ['ca', 'cert', 'key'] as const) writeFileSync(files[part], own[part], { mode: 0o600 });
    writeFileSync(join(dir, 'conf'), natsServerConfig({ listen, ...files }));
    server = spawn('nats-server', ['-c', join(dir, 'conf')], { stdio: 'ignore' });
  });
  afterAll(async () => {
    for (const bus of buses) await bus.close();
    server.kill();
    rmSync(dir, { recursive: true, force: true });
  });

  it('carries what the API server says, and nothing that anybody else does', async () => {
    const [publisher, reader, forger] = [as('kube-apiserver'), as('system:kube-scheduler'), as('system:kube-proxy')];
    const seen: string[] = [];
    reader.subscribe('feed.>', ({ subject }) => seen.push(subject));
    const asked: string[] = [];
    publisher.subscribe('feed.ask', ({ subject }) => asked.push(subject));
    await expect.poll(() => buses.every((bus) => bus.connected())).toBe(true);
    const nothing = new Uint8Array();
    forger.publish('feed.core.pods.node-1', nothing);
    await expect.poll(() => failures.some((failure) => /permissions violation/i.test(failure))).toBe(true);
    reader.publish('feed.ask', nothing);
    await expect.poll(() => asked).toEqual(['feed.ask']);
    publisher.publish('feed.core.nodes._', nothing);
    await expect.poll(() => seen.filter((subject) => subject !== 'feed.ask')).toEqual(['feed.core.nodes._']);
  });

  it.each([
    ['nobody', () => connect()],
    ['a user of the cluster', () => connect({ ca: pki.caCert, ...pki.clientCert('jane', ['system:masters']) })],
  ])('refuses %s', async (_who, open) => {
    failures.length = 0;
    const bus = open();
    await expect.poll(() => failures.length).toBeGreaterThan(0);
    expect(bus.connected()).toBe(false);
    await bus.close();
  });
});
