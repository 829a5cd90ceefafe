/** The same policies, compiled once, hold in the emulated network and in the kernel: who reaches whom over TCP and UDP. */
import type { NetworkPolicy } from '@orrery/api/types';
import { createNft, createShell, whyNot } from '@orrery/linux';
import { createTwoNodes, whyNoLab } from '@orrery/linux/lab';
import type { PolicySet } from '@orrery/vnet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPolicyBackEnd } from './nftables/policy-back-end.ts';
import { type PolicyPod, compilePolicies, narrow } from './policy/compile.ts';
import { createVnetWorld } from './testing/vnet-world.ts';

interface PolicyWorld {
  readonly ips: Readonly<Record<string, readonly string[]>>;
  enforce(compiled: ReturnType<typeof compilePolicies>): Promise<void>;
  ask(from: string, to: { ip: string; port: number; protocol: 'TCP' | 'UDP'; timeoutMs: number }): Promise<string>;
  close(): Promise<void>;
}

const names = ['a1', 'a2', 'b1', 'b2'] as const;
const passMs = 60_000;
const dropMs = 700;

const perNode = async (compiled: ReturnType<typeof compilePolicies>, tell: (node: 'a' | 'b', set: PolicySet) => Promise<void>): Promise<void> => {
  for (const node of ['a', 'b'] as const) await tell(node, narrow(compiled.rules, compiled.pods.filter(({ nodeName }) => nodeName === `node-${node}`)));
};

async function vnetWorld(): Promise<PolicyWorld> {
  const world = await createVnetWorld();
  return {
    ips: Object.fromEntries(names.map((name) => [name, world.ips(name)])),
    enforce: (compiled) => perNode(compiled, (node, set) => world.switches[node].setPolicies(set)),
    ask: (from, to) => world.ask(from as 'a1', to),
    close: () => world.close(),
  };
}

async function kernelWorld(): Promise<PolicyWorld> {
  const lab = await createTwoNodes({ network: 'vxlan' });
  const [a, b] = lab.nodes;
  const pods = { a1: await a.pod(11), a2: await a.pod(12), b1: await b.pod(11), b2: await b.pod(12) };
  for (const [name, pod] of Object.entries(pods)) for (const protocol of ['TCP', 'UDP'] as const) await pod.namespace.serve({ name, protocol, port: 8080 });
  const namespaces = { a: a.namespace, b: b.namespace, ...Object.fromEntries(Object.entries(pods).map(([name, pod]) => [name, pod.namespace])) } as Record<string, typeof a.namespace>;
  return {
    ips: Object.fromEntries(Object.entries(pods).map(([name, pod]) => [name, pod.ips])),
    enforce: (compiled) => perNode(compiled, (node, set) => createPolicyBackEnd(createNft((node === 'a' ? a : b).namespace.shell)).setPolicies(set)),
    async ask(from, to) {
      const namespace = namespaces[from];
      if (!namespace) throw new Error(`nobody is called ${from}`);
      return namespace.ask(to);
    },
    close: () => lab.close(),
  };
}

function suite(title: string, create: () => Promise<PolicyWorld>, skip?: string): void {
  describe.skipIf(skip)(`network policies: ${title}${skip ? ` (${skip})` : ''}`, { timeout: 300_000 }, () => {
    let world: PolicyWorld;
    beforeAll(async () => void (world = await create()), 300_000);
    afterAll(() => world.close());

    const enforce = (...specs: NetworkPolicy['spec'][]): Promise<void> => {
      const pods = names.map((name): PolicyPod => ({ namespace: 'default', name, nodeName: `node-${name[0]}`, labels: { pod: name }, ips: world.ips[name] ?? [], ports: [{ name: 'web', protocol: 'TCP', port: 8080 }] }));
      return world.enforce(compilePolicies({ policies: specs.map((spec) => ({ metadata: { namespace: 'default', name: 'p' }, spec })), pods, namespaces: new Map([['default', {}]]) }));
    };
    const reaches = async (from: string, to: string, { protocol = 'TCP' as 'TCP' | 'UDP', family = 0 } = {}): Promise<void> => {
      expect(await world.ask(from, { ip: world.ips[to]?.[family] ?? '', port: 8080, protocol, timeoutMs: passMs })).toMatch(new RegExp(`^${to} `));
    };
    const misses = async (from: string, to: string, { protocol = 'TCP' as 'TCP' | 'UDP', family = 0 } = {}): Promise<void> => {
      await expect(world.ask(from, { ip: world.ips[to]?.[family] ?? '', port: 8080, protocol, timeoutMs: dropMs })).rejects.toThrow('TIMEOUT');
    };
    const only = (pod: string): { matchLabels: { pod: string } } => ({ matchLabels: { pod } });

    it('default deny of ingress drops from near and far, lets answers back in and the node in', async () => {
      await enforce({ podSelector: only('b1'), policyTypes: ['Ingress'] });
      await Promise.all([misses('a1', 'b1'), misses('b2', 'b1'), misses('a1', 'b1', { protocol: 'UDP' }), misses('b2', 'b1', { family: 1 })]);
      for (const protocol of ['TCP', 'UDP'] as const) await reaches('b1', 'a1', { protocol });
      await reaches('b', 'b1');
      await reaches('b1', 'b1');
    });

    it('rules of several policies add up, by pod, by range with exceptions, by port and protocol', async () => {
      const a1 = `${world.ips['a1']?.[0]}/32`;
      await enforce(
        { podSelector: only('b1'), ingress: [{ from: [{ podSelector: only('b2') }], ports: [{ port: 'web' }] }] },
        { podSelector: only('b1'), ingress: [{ from: [{ ipBlock: { cidr: '10.244.0.0/16', except: [a1] } }], ports: [{ protocol: 'UDP', port: 8000, endPort: 8100 }] }] },
      );
      await Promise.all([reaches('b2', 'b1'), reaches('b2', 'b1', { family: 1 }), reaches('a2', 'b1', { protocol: 'UDP' })]);
      await Promise.all([misses('a2', 'b1'), misses('a1', 'b1', { protocol: 'UDP' }), misses('a1', 'b1')]);
    });

    it('default deny of egress, with one way out', async () => {
      await enforce({ podSelector: only('a1'), policyTypes: ['Egress'], egress: [{ to: [{ podSelector: only('b2') }] }] });
      await Promise.all([reaches('a1', 'b2'), reaches('a1', 'b2', { protocol: 'UDP' }), reaches('a2', 'b1'), reaches('b1', 'a1')]);
      await Promise.all([misses('a1', 'b1'), misses('a1', 'a2'), misses('a1', 'b1', { protocol: 'UDP' })]);
    });

    it('nothing is left of policies that are gone', async () => {
      await enforce();
      await Promise.all([reaches('a1', 'b1'), reaches('a1', 'b1', { protocol: 'UDP' })]);
    });
  });
}

const why = (await whyNoLab()) ?? (await whyNot(createShell(), 'nft', ['--version']));

suite('vnet', vnetWorld);
suite('nftables', kernelWorld, why);
