import { sha256 } from '@orrery/linux';
import { expect, it } from 'vitest';
import { routingsOf } from '../testing/render-cases.ts';
import { createIpvsBackEnd, drained } from './back-end.ts';
import { renderPiece, renderServers, renderSets } from './render.ts';

const context = { node: { name: 'here' }, nodeIps: ['192.168.0.2'] };
const nodePort = { type: 'NodePort', sessionAffinity: 'ClientIP', ports: [{ name: 'p80', port: 80, nodePort: 3001 }] };

it('makes virtual servers with scheduler, affinity and endpoints', () => {
  const piece = renderPiece(routingsOf(nodePort, ['10.180.0.1@here', '10.180.0.2@there']), context);
  expect(renderServers([{ before: undefined, after: piece }], 'wrr').lines).toEqual([
    '-A -t 10.20.30.41:80 -s wrr -p 10800', '-a -t 10.20.30.41:80 -r 10.180.0.1:80 -m -w 1', '-a -t 10.20.30.41:80 -r 10.180.0.2:80 -m -w 1',
    '-A -t 192.168.0.2:3001 -s wrr -p 10800', '-a -t 192.168.0.2:3001 -r 10.180.0.1:80 -m -w 1', '-a -t 192.168.0.2:3001 -r 10.180.0.2:80 -m -w 1',
  ]);
  const sets = renderSets(4, [piece]);
  expect(sets).toContain('add KUBE-CLUSTER-IP-NEXT 10.20.30.41,tcp:80');
  expect(sets).toContain('add KUBE-NODE-PORT-TCP-NEXT 3001');
  expect(sets).toContain('add KUBE-LOOP-BACK-NEXT 10.180.0.1,tcp:80,10.180.0.1');
});

it('lets connections to endpoints that go end, and removes what is gone', () => {
  const before = renderPiece(routingsOf({}, ['10.180.0.1@here', '10.180.0.2@there']), context);
  const after = renderPiece(routingsOf({}, ['10.180.0.1@here']), context);
  expect(renderServers([{ before, after }], 'rr')).toEqual({ lines: ['-e -t 10.20.30.41:80 -r 10.180.0.2:80 -m -w 0'], draining: ['-t 10.20.30.41:80 -r 10.180.0.2:80'] });
  expect(renderServers([{ before: after, after: undefined }], 'rr').lines).toEqual(['-D -t 10.20.30.41:80']);
});

it('knows who has no connection left from the table of the kernel', () => {
  const table = 'IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\nTCP  10.20.30.41:80 rr\n  -> 10.180.0.1:80                Masq    1      0          0\n  -> 10.180.0.2:80                Masq    0      0          0\n  -> 10.180.0.3:80                Masq    0      2          0\n';
  expect(drained(table, new Set(['10.180.0.2', '10.180.0.3'].map((ip) => `-t 10.20.30.41:80 -r ${ip}:80`)))).toEqual(['-t 10.20.30.41:80 -r 10.180.0.2:80']);
});

it('tells the tools in order: addresses, sets, servers, rules', async () => {
  const told: string[] = [];
  const tell = (tool: string) => (text: string) => Promise.resolve(void told.push(`${tool}: ${text.split('\n')[0]}`));
  const backEnd = createIpvsBackEnd({
    hash: sha256, node: context.node, nodeIps: context.nodeIps, scheduler: 'rr',
    settings: { families: [4], local: { 4: { cidr: '10.0.0.0/8' } }, nodePortAddresses: [], masqueradeAll: false, masqueradeBit: 14 },
    ipvs: { restore: tell('ipvsadm'), list: () => Promise.resolve('') },
    ipset: { restore: tell('ipset') },
    ip: { batch: (lines) => tell('ip')(lines.join('\n')) },
    iptables: { 4: { save: () => Promise.resolve(''), restore: tell('iptables') } },
  });
  await backEnd.sync({ full: true, services: new Map([['ns1/svc1', routingsOf({}, ['10.180.0.1@here'])]]) });
  expect(told).toEqual(['ip: link add kube-ipvs0 type dummy', 'ip: addr replace 10.20.30.41/32 dev kube-ipvs0', 'ipset: create KUBE-LOOP-BACK hash:ip,port,ip family inet maxelem 65536', 'ipvsadm: -C', 'iptables: *filter']);
});
