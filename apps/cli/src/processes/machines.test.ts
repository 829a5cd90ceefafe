import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiClient } from '@orrery/client';
import { expect, it, onTestFinished } from 'vitest';
import { type Machines, createMachines } from './machines.ts';

function world(isDualStack = false): { make: () => Machines; log: string[]; refuse: Set<string> } {
  const root = mkdtempSync(join(tmpdir(), 'machines-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const log: string[] = [];
  const refuse = new Set<string>();
  const api = { delete: (kind: { kind: string }, { name }: { name: string }) => Promise.resolve(void log.push(`delete ${kind.kind} ${name}`)) } as unknown as ApiClient;
  const make = (): Machines =>
    createMachines({
      root,
      isDualStack,
      nodes: 1,
      defaults: { cpu: '8', memory: '16Gi', pods: 110 },
      specs: ({ name, ips, cpu }) => Promise.resolve(['container-runtime', 'kubelet'].map((app) => ({ name: `${app}-${name}`, app, args: [ips.join(), cpu] }))),
      run: ({ name, args }) => (refuse.has(name) ? Promise.reject(new Error(`${name} did not start`)) : Promise.resolve(void log.push(`run ${name} ${args.join(' ')}`))),
      end: (name) => Promise.resolve(void log.push(`end ${name}`)),
      api: () => api,
    });
  return { make, log, refuse };
}

it('nodes come and go with their programs; those that were added are there at the next start', async () => {
  const { make, log } = world();
  const machines = make();
  expect(await machines.start()).toBe(2);
  expect(await machines.control.add({ cpu: '64' })).toBe('node-2');
  expect(log.splice(0)).toEqual(['run container-runtime-node-1 10.240.0.11 8', 'run kubelet-node-1 10.240.0.11 8', 'run container-runtime-node-2 10.240.0.12 64', 'run kubelet-node-2 10.240.0.12 64']);
  const next = make();
  expect(await next.start()).toBe(4);
  log.splice(0);
  await next.control.remove('node-2');
  expect(log).toEqual(['end kubelet-node-2', 'end container-runtime-node-2', 'delete Node node-2', 'delete ConfigMap vnet-node-2', 'delete ConfigMap vnet-node-local-dns-node-2']);
  await expect(next.control.remove('node-2')).rejects.toThrow('there is no node node-2');
  expect(await make().start()).toBe(2);
});

it('nodes of a dual-stack cluster have an address of each family', async () => {
  const { make, log } = world(true);
  await make().start();
  expect(log[0]).toBe('run container-runtime-node-1 10.240.0.11,fd00:10:240::b 8');
});

it('instances of the cloud keep their Node when they are switched off; what does not start leaves nothing', async () => {
  const { make, log, refuse } = world();
  const { instances, control } = make();
  const machine = { name: 'w', ips: ['10.241.0.1', 'fd00:10:241::1'], cpu: '2', memory: '8Gi', labels: [] };
  refuse.add('kubelet-w');
  await expect(instances.start(machine)).rejects.toThrow('kubelet-w did not start');
  expect([instances.list(), control.list()]).toEqual([[], []]);
  refuse.clear();
  await instances.start(machine);
  expect(log.at(-1)).toBe('run kubelet-w 10.241.0.1,fd00:10:241::1 2');
  await expect(instances.start(machine)).rejects.toThrow('there is a node w already');
  await expect(control.remove('w')).rejects.toThrow('an instance of the cloud');
  expect(instances.list()).toEqual(['w']);
  log.splice(0);
  await instances.stop('w');
  expect(log).toEqual(['end kubelet-w', 'end container-runtime-w', 'delete ConfigMap vnet-w', 'delete ConfigMap vnet-node-local-dns-w']);
  expect(instances.list()).toEqual([]);
});
