import { createIp, createIpset, createIptables, createIpvs, createNft, createShell, createSysctl, sha256, whyNot } from '@orrery/linux';
import { whyNoLab } from '@orrery/linux/lab';
import { createIptablesBackEnd } from './iptables/back-end.ts';
import { createNftablesBackEnd } from './nftables/back-end.ts';
import { createIpvsBackEnd } from './ipvs/back-end.ts';
import { whyNotMode } from './linux/select.ts';
import { createLinuxWorld } from './testing/linux-world.ts';
import { serviceMatrix } from './testing/service-matrix.ts';
import { createUserspaceBackEnd } from './userspace/back-end.ts';
import { createVnetWorld } from './testing/vnet-world.ts';

const noLab = await whyNoLab();
const shell = createShell();
const missing = async (command: string, args: readonly string[]): Promise<string | undefined> => noLab ?? (await whyNot(shell, command, args));
const tools = { conntrack: await missing('conntrack', ['--version']), nft: await missing('nft', ['--version']), iptables: await missing('iptables', ['--version']) };

serviceMatrix('vnet', { create: createVnetWorld, limits: { ipv6: true, keepsClients: true, loopback: true } });

serviceMatrix('nftables', {
  skip: tools.nft ?? tools.conntrack,
  limits: { ipv6: true, keepsClients: true },
  create: () => createLinuxWorld(({ name, namespace, settings }) => createNftablesBackEnd({ nft: createNft(namespace.shell), hash: sha256, node: { name }, settings })),
});

serviceMatrix('iptables', {
  skip: tools.iptables ?? tools.conntrack,
  limits: { ipv6: true, keepsClients: true, loopback: true },
  create: () =>
    createLinuxWorld(({ name, namespace, settings }) => createIptablesBackEnd({ iptables: { 4: createIptables(namespace.shell, 4), 6: createIptables(namespace.shell, 6) }, sysctl: createSysctl(namespace.shell), hash: sha256, node: { name }, settings })),
});

serviceMatrix('iptables, compact', {
  skip: tools.iptables ?? tools.conntrack,
  limits: { ipv6: true, keepsClients: true },
  create: () =>
    createLinuxWorld(({ name, namespace, settings }) => createIptablesBackEnd({ iptables: { 4: createIptables(namespace.shell, 4), 6: createIptables(namespace.shell, 6) }, hash: sha256, node: { name }, settings, compactFrom: 0 })),
});

serviceMatrix('userspace', {
  skip: tools.iptables ?? tools.conntrack,
  limits: { ipv6: true, keepsClients: false },
  create: () =>
    createLinuxWorld(({ name, namespace, nodeIps, settings }) =>
      createUserspaceBackEnd({
        iptables: { 4: createIptables(namespace.shell, 4), 6: createIptables(namespace.shell, 6) },
        hash: sha256, node: { name }, nodeIps, settings,
        open: (protocol) => namespace.forward(protocol),
      }),
    ),
});

serviceMatrix('ipvs', {
  skip: tools.iptables ?? tools.conntrack ?? (await whyNotMode(shell, 'ipvs', 'rr')),
  limits: { ipv6: true, keepsClients: true, bindsInside: true },
  create: () =>
    createLinuxWorld(({ name, namespace, nodeIps, settings }) =>
      createIpvsBackEnd({
        ipvs: createIpvs(namespace.shell), ipset: createIpset(namespace.shell), ip: createIp(namespace.shell),
        iptables: { 4: createIptables(namespace.shell, 4), 6: createIptables(namespace.shell, 6) },
        hash: sha256, node: { name }, nodeIps: Object.values(nodeIps), settings,
        sysctl: createSysctl(namespace.shell), scheduler: 'rr', own: { strictArp: false, excludeCidrs: [], timeouts: { tcp: 0, tcpFin: 0, udp: 0 } },
      }),
    ),
});
