import { sha256 } from '@orrery/linux';
import { expect, it } from 'vitest';
import { routingsOf } from '../testing/render-cases.ts';
import { createIpvsBackEnd, drained } from './back-end.ts';
import { parseServers, renderPiece, renderServers, renderSets } from './render.ts';

const context = { node: { name: 'here' }, nodeIps: ['192.168.0.2'], notFromPods: { 4: '! -s 10.0.0.0/8' } };
const nodePort = { type: 'NodePort', sessionAffinity: 'ClientIP', ports: [{ name: 'p80', port: 80, nodePort: 3001 }] };
const none: ReadonlySet<string> = new Set();

it('makes virtual servers with scheduler, affinity and endpoints', () => {
  const piece = renderPiece(routingsOf(nodePort, ['10.180.0.1@here', '10.180.0.2@there']), context);
  expect(renderServers([], piece.servers, { scheduler: 'wrr', drain: none }).lines).toEqual([
    '-A -t 10.20.30.41:80 -s wrr -p 10800', '-a -t 10.20.30.41:80 -r 10.180.0.1:80 -m -w 1', '-a -t 10.20.30.41:80 -r 10.180.0.2:80 -m -w 1',
    '-A -t 192.168.0.2:3001 -s wrr -p 10800', '-a -t 192.168.0.2:3001 -r 10.180.0.1:80 -m -w 1', '-a -t 192.168.0.2:3001 -r 10.180.0.2:80 -m -w 1',
  ]);
  expect(piece.members).toEqual([
    'KUBE-CLUSTER-IP 10.20.30.41,tcp:80', 'KUBE-IPVS-IPS 10.20.30.41', 'KUBE-IPVS-SERVICES 10.20.30.41,tcp:80', 'KUBE-NODE-PORT-TCP 3001', 'KUBE-LOOP-BACK 10.180.0.1,tcp:80,10.180.0.1',
  ]);
});

it('gives those inside all endpoints where an external policy Local leaves none, and drops who comes from outside', () => {
  const spec = { type: 'NodePort', externalTrafficPolicy: 'Local', ports: [{ name: 'p80', port: 80, nodePort: 3001 }] };
  const { servers, filters } = renderPiece(routingsOf(spec, ['10.180.0.2@there']), context);
  expect(servers.map(({ port, endpoints }) => [port, endpoints])).toEqual([[80, ['10.180.0.2:80']], [3001, ['10.180.0.2:80']]]);
  expect(filters).toEqual([{ chain: 'KUBE-EXTERNAL-SERVICES', rule: '-m comment --comment "ns1/svc1:p80 has no local endpoints" ! -s 10.0.0.0/8 -m tcp -p tcp -d 192.168.0.2 --dport 3001 -j DROP' }]);
});

it('names sets as the kernel takes them, and makes them beside the old ones', () => {
  for (const family of [4, 6] as const) {
    for (const line of renderSets(family, [])) expect((line.split(' ')[1] ?? '').length).toBeLessThanOrEqual(31);
  }
  expect(renderSets(4, ['KUBE-CLUSTER-IP 10.20.30.41,tcp:80']).slice(5, 11)).toEqual([
    'create KUBE-CLUSTER-IP hash:ip,port family inet maxelem 1048576', 'create KUBE-NEXT-4-1 hash:ip,port family inet maxelem 1048576', 'flush KUBE-NEXT-4-1', 'add KUBE-NEXT-4-1 10.20.30.41,tcp:80', 'swap KUBE-NEXT-4-1 KUBE-CLUSTER-IP', 'destroy KUBE-NEXT-4-1',
  ]);
});

it('lets connections to endpoints that go end, takes them back when they return, and removes what is gone', () => {
  const two = renderPiece(routingsOf({}, ['10.180.0.1@here', '10.180.0.2@there']), context).servers;
  const one = renderPiece(routingsOf({}, ['10.180.0.1@here']), context).servers;
  const drains = '-t 10.20.30.41:80 -r 10.180.0.2:80';
  expect(renderServers(two, one, { scheduler: 'rr', drain: none })).toEqual({ lines: [`-e ${drains} -m -w 0`], draining: [drains], back: [] });
  expect(renderServers(one, two, { scheduler: 'rr', drain: new Set([drains]) })).toEqual({ lines: [`-e ${drains} -m -w 1`], draining: [], back: [drains] });
  expect(renderServers(one, [], { scheduler: 'rr', drain: none }).lines).toEqual(['-D -t 10.20.30.41:80']);
});

it('finds what the kernel has, so that all of it is not made anew', () => {
  const saved = '-A -t 10.20.30.41:80 -s rr -p 10800\n-a -t 10.20.30.41:80 -r 10.180.0.1:80 -m -w 1\n-a -t 10.20.30.41:80 -r 10.180.0.2:80 -m -w 0\n-A -u [fd00::1]:53 -s wrr\n-a -u [fd00::1]:53 -r [fd00:2::1]:53 -m -w 1\n';
  const { servers, draining } = parseServers(saved);
  expect(servers).toEqual([
    { protocol: 'TCP', ip: '10.20.30.41', port: 80, scheduler: 'rr', persistence: 10_800, endpoints: ['10.180.0.1:80'] },
    { protocol: 'UDP', ip: 'fd00::1', port: 53, scheduler: 'wrr', persistence: 0, endpoints: ['[fd00:2::1]:53'] },
  ]);
  expect(draining).toEqual(['-t 10.20.30.41:80 -r 10.180.0.2:80']);
  expect(renderServers(servers, servers, { scheduler: 'rr', drain: none }).lines).toEqual(['-E -u [fd00::1]:53 -s rr']);
});

it('knows who has no connection left from the table of the kernel', () => {
  const table = 'IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\nTCP  10.20.30.41:80 rr\n  -> 10.180.0.1:80                Masq    1      0          0\n  -> 10.180.0.2:80                Masq    0      0          0\n  -> 10.180.0.3:80                Masq    0      2          0\n';
  expect(drained(table, new Set(['10.180.0.2', '10.180.0.3'].map((ip) => `-t 10.20.30.41:80 -r ${ip}:80`)))).toEqual(['-t 10.20.30.41:80 -r 10.180.0.2:80']);
});

it('tells the tools in order, first all and then what is different; what is excluded stays', async () => {
  let told: string[] = [];
  let rules = '';
  const tell = (tool: string) => (text: string) => Promise.resolve(void told.push(`${tool}: ${text.split('\n')[0]}`));
  const backEnd = createIpvsBackEnd({
    hash: sha256, node: context.node, nodeIps: context.nodeIps, scheduler: 'rr',
    own: { strictArp: true, excludeCidrs: ['10.9.0.0/16'], timeouts: { tcp: 900, tcpFin: 0, udp: 0 } },
    settings: { families: [4], local: { 4: { cidr: '10.0.0.0/8' } }, nodePortAddresses: [], masqueradeAll: false, masqueradeBit: 14 },
    ipvs: {
      restore: tell('ipvsadm'), list: () => Promise.resolve(''), save: () => Promise.resolve('-A -t 10.9.0.1:80 -s rr\n-A -t 10.8.0.1:80 -s rr\n'),
      setTimeouts: ({ tcp }) => tell('timeouts')(String(tcp)),
    },
    ipset: { restore: tell('ipset') },
    ip: { batch: (lines) => (lines.length ? tell('ip')(lines.join(' + ')) : Promise.resolve()), addresses: () => Promise.resolve(['10.9.0.1', '10.8.0.1']) },
    sysctl: { set: (values) => tell('sysctl')(`${values['net/ipv4/vs/conntrack']}${values['net/ipv4/conf/all/arp_ignore']}`) },
    iptables: { 4: { save: () => Promise.resolve(''), restore: (text) => tell('iptables')((rules = text)) } },
  });
  await backEnd.sync({ full: true, services: new Map([['ns1/svc1', routingsOf({}, ['10.180.0.1@here'])]]) });
  expect(told).toEqual([
    'sysctl: 11', 'timeouts: 900', 'ip: link add kube-ipvs0 type dummy', 'ip: addr replace 10.20.30.41/32 dev kube-ipvs0 + addr del 10.8.0.1/32 dev kube-ipvs0',
    'ipset: create KUBE-LOOP-BACK hash:ip,port,ip family inet maxelem 1048576', 'ipvsadm: -D -t 10.8.0.1:80', 'iptables: *filter',
  ]);
  expect(rules).not.toContain('INVALID');
  told = [];
  await backEnd.sync({ full: false, services: new Map([['ns1/svc1', routingsOf({}, ['10.180.0.2@here'])]]) });
  expect(told).toEqual(['ipset: add KUBE-LOOP-BACK 10.180.0.2,tcp:80,10.180.0.2', 'ipvsadm: -a -t 10.20.30.41:80 -r 10.180.0.2:80 -m -w 1']);
});
