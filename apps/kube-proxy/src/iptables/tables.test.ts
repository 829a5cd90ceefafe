import { CommandError, sha256 } from '@orrery/linux';
import { expect, it } from 'vitest';
import type { NodeSettings } from '../linux/back-end.ts';
import { routingsOf } from '../testing/render-cases.ts';
import { createIptablesBackEnd } from './back-end.ts';
import { chainNames, renderPiece } from './piece.ts';
import { renderCleanUp, renderFull, renderPartial } from './tables.ts';

const local = { cidr: '10.0.0.0/8' };
const context = { hash: sha256, node: { name: 'here' }, local, masqueradeAll: false };
const settings: NodeSettings = { families: [4], local: { 4: local }, nodePortAddresses: [], masqueradeAll: false, masqueradeBit: 14 };
const nothingSaved = { filter: '', nat: '' };

it.each([
  ['kube-system/kube-dns:dns', 'UDP', 'KUBE-SVC-TCOU7JCQXEZGVUNU'],
  ['default/kubernetes:https', 'TCP', 'KUBE-SVC-NPX46M4PTMTKRN6Y'],
  ['ns1/svc1:p80', 'TCP', 'KUBE-SVC-XPGD46QRK7WJZT7O'],
] as const)('names the chain of %s as every kube-proxy does', (name, protocol, chain) => {
  const [routing] = routingsOf({}, []);
  if (!routing) throw new Error('no port');
  const names = chainNames({ ...routing.port, name, protocol }, sha256);
  expect(names.cluster).toBe(chain);
  if (name === 'ns1/svc1:p80') expect(names.endpoint({ ip: '10.180.0.1', port: 80 } as never)).toBe('KUBE-SEP-SXIVWICOYRO3J4NJ');
});

it('renders all of a LoadBalancer under external policy Local, for iptables-restore', () => {
  const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 30000, loadBalancerSourceRanges: ['203.0.113.0/25'], sessionAffinity: 'ClientIP', ports: [{ name: 'p80', port: 80, nodePort: 3001 }] } as const;
  const piece = renderPiece(routingsOf({ ...spec, ports: [...spec.ports], loadBalancerSourceRanges: [...spec.loadBalancerSourceRanges] }, ['10.180.0.1@here', '10.180.0.2@there'], { status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } } }), context);
  expect(renderFull(4, { pieces: [piece], settings, saved: nothingSaved })).toMatchInlineSnapshot(`
    "*filter
    :KUBE-SERVICES - [0:0]
    :KUBE-PROXY-FIREWALL - [0:0]
    :KUBE-NODEPORTS - [0:0]
    :KUBE-FORWARD - [0:0]
    :KUBE-FIREWALL - [0:0]
    :KUBE-EXTERNAL-SERVICES - [0:0]
    -I OUTPUT 1 -m comment --comment "kubernetes packets to loopback" -j KUBE-FIREWALL
    -I INPUT 1 -m comment --comment "kubernetes packets to loopback" -j KUBE-FIREWALL
    -I FORWARD 1 -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
    -I OUTPUT 1 -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
    -I INPUT 1 -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
    -I FORWARD 1 -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
    -I OUTPUT 1 -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
    -I FORWARD 1 -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
    -I INPUT 1 -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
    -I FORWARD 1 -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
    -I INPUT 1 -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
    -A KUBE-PROXY-FIREWALL -m comment --comment "ns1/svc1:p80 traffic not accepted by KUBE-FW-XPGD46QRK7WJZT7O" -m tcp -p tcp -d 1.2.3.4 --dport 80 -j DROP
    -A KUBE-NODEPORTS -m comment --comment "ns1/svc1:p80 health check node port" -m tcp -p tcp --dport 30000 -j ACCEPT
    -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
    -A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x00004000/0x00004000 -j ACCEPT
    -A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    COMMIT
    *nat
    :KUBE-SVL-XPGD46QRK7WJZT7O - [0:0]
    :KUBE-SVC-XPGD46QRK7WJZT7O - [0:0]
    :KUBE-SERVICES - [0:0]
    :KUBE-SEP-SXIVWICOYRO3J4NJ - [0:0]
    :KUBE-SEP-LXVODXWDISEETFEF - [0:0]
    :KUBE-POSTROUTING - [0:0]
    :KUBE-NODEPORTS - [0:0]
    :KUBE-MARK-MASQ - [0:0]
    :KUBE-FW-XPGD46QRK7WJZT7O - [0:0]
    :KUBE-EXT-XPGD46QRK7WJZT7O - [0:0]
    -I POSTROUTING 1 -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
    -I PREROUTING 1 -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
    -I OUTPUT 1 -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
    -A KUBE-SEP-SXIVWICOYRO3J4NJ -m comment --comment "ns1/svc1:p80" -s 10.180.0.1 -j KUBE-MARK-MASQ
    -A KUBE-SEP-SXIVWICOYRO3J4NJ -m comment --comment "ns1/svc1:p80" -m recent --name KUBE-SEP-SXIVWICOYRO3J4NJ --set -m tcp -p tcp -j DNAT --to-destination 10.180.0.1:80
    -A KUBE-SEP-LXVODXWDISEETFEF -m comment --comment "ns1/svc1:p80" -s 10.180.0.2 -j KUBE-MARK-MASQ
    -A KUBE-SEP-LXVODXWDISEETFEF -m comment --comment "ns1/svc1:p80" -m recent --name KUBE-SEP-LXVODXWDISEETFEF --set -m tcp -p tcp -j DNAT --to-destination 10.180.0.2:80
    -A KUBE-SVC-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 cluster IP" -m tcp -p tcp -d 10.20.30.41 --dport 80 ! -s 10.0.0.0/8 -j KUBE-MARK-MASQ
    -A KUBE-SVC-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80" -m recent --name KUBE-SEP-SXIVWICOYRO3J4NJ --rcheck --seconds 10800 --reap -j KUBE-SEP-SXIVWICOYRO3J4NJ
    -A KUBE-SVC-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80" -m recent --name KUBE-SEP-LXVODXWDISEETFEF --rcheck --seconds 10800 --reap -j KUBE-SEP-LXVODXWDISEETFEF
    -A KUBE-SVC-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 -> 10.180.0.1:80" -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-SXIVWICOYRO3J4NJ
    -A KUBE-SVC-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 -> 10.180.0.2:80" -j KUBE-SEP-LXVODXWDISEETFEF
    -A KUBE-SVL-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 cluster IP" -m tcp -p tcp -d 10.20.30.41 --dport 80 ! -s 10.0.0.0/8 -j KUBE-MARK-MASQ
    -A KUBE-SVL-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80" -m recent --name KUBE-SEP-SXIVWICOYRO3J4NJ --rcheck --seconds 10800 --reap -j KUBE-SEP-SXIVWICOYRO3J4NJ
    -A KUBE-SVL-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 -> 10.180.0.1:80" -j KUBE-SEP-SXIVWICOYRO3J4NJ
    -A KUBE-EXT-XPGD46QRK7WJZT7O -m comment --comment "pod traffic for ns1/svc1:p80 external destinations" -s 10.0.0.0/8 -j KUBE-SVC-XPGD46QRK7WJZT7O
    -A KUBE-EXT-XPGD46QRK7WJZT7O -m comment --comment "masquerade LOCAL traffic for ns1/svc1:p80 external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ
    -A KUBE-EXT-XPGD46QRK7WJZT7O -m comment --comment "route LOCAL traffic for ns1/svc1:p80 external destinations" -m addrtype --src-type LOCAL -j KUBE-SVC-XPGD46QRK7WJZT7O
    -A KUBE-EXT-XPGD46QRK7WJZT7O -j KUBE-SVL-XPGD46QRK7WJZT7O
    -A KUBE-FW-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 loadbalancer IP" -s 203.0.113.0/25 -j KUBE-EXT-XPGD46QRK7WJZT7O
    -A KUBE-FW-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 loadbalancer IP" -s 1.2.3.4 -j KUBE-EXT-XPGD46QRK7WJZT7O
    -A KUBE-FW-XPGD46QRK7WJZT7O -m comment --comment "other traffic to ns1/svc1:p80 will be dropped by KUBE-PROXY-FIREWALL"
    -A KUBE-SERVICES -m comment --comment "ns1/svc1:p80 cluster IP" -m tcp -p tcp -d 10.20.30.41 --dport 80 -j KUBE-SVC-XPGD46QRK7WJZT7O
    -A KUBE-SERVICES -m comment --comment "ns1/svc1:p80 loadbalancer IP" -m tcp -p tcp -d 1.2.3.4 --dport 80 -j KUBE-FW-XPGD46QRK7WJZT7O
    -A KUBE-NODEPORTS -m comment --comment "ns1/svc1:p80" -m tcp -p tcp --dport 3001 -j KUBE-EXT-XPGD46QRK7WJZT7O
    -A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL ! -d 127.0.0.0/8 -j KUBE-NODEPORTS
    -A KUBE-POSTROUTING -m mark ! --mark 0x00004000/0x00004000 -j RETURN
    -A KUBE-POSTROUTING -j MARK --xor-mark 0x00004000
    -A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
    -A KUBE-MARK-MASQ -j MARK --or-mark 0x00004000
    COMMIT
    "
  `);
});

it('says why there is no way: refused everywhere, dropped only here', () => {
  const none = renderPiece(routingsOf({ type: 'NodePort', ports: [{ name: 'p80', port: 80, nodePort: 3001 }] }, []), context);
  expect(none.shared.map(({ chain, rule }) => `${chain} ${rule}`)).toMatchInlineSnapshot(`
    [
      "KUBE-SERVICES -m comment --comment "ns1/svc1:p80 has no endpoints" -m tcp -p tcp -d 10.20.30.41 --dport 80 -j REJECT",
      "KUBE-EXTERNAL-SERVICES -m comment --comment "ns1/svc1:p80 has no endpoints" -m addrtype --dst-type LOCAL -m tcp -p tcp --dport 3001 -j REJECT",
    ]
  `);
  const elsewhere = renderPiece(routingsOf({ internalTrafficPolicy: 'Local' }, ['10.180.0.2@there']), context);
  expect(elsewhere.shared.map(({ table, chain, rule }) => `${table} ${chain} ${rule}`)).toMatchInlineSnapshot(`
    [
      "filter KUBE-SERVICES -m comment --comment "ns1/svc1:p80 has no local endpoints" -m tcp -p tcp -d 10.20.30.41 --dport 80 -j DROP",
    ]
  `);
});

it('changes only the chains of an endpoint that comes, and of one that goes', () => {
  const before = renderPiece(routingsOf({}, ['10.180.0.1@here']), context);
  const after = renderPiece(routingsOf({}, ['10.180.0.1@here', '10.180.0.2@there']), context);
  expect(renderPartial(4, [{ before, after }])).toMatchInlineSnapshot(`
    "*nat
    :KUBE-SEP-LXVODXWDISEETFEF - [0:0]
    :KUBE-SVC-XPGD46QRK7WJZT7O - [0:0]
    -A KUBE-SEP-LXVODXWDISEETFEF -m comment --comment "ns1/svc1:p80" -s 10.180.0.2 -j KUBE-MARK-MASQ
    -A KUBE-SEP-LXVODXWDISEETFEF -m comment --comment "ns1/svc1:p80" -m tcp -p tcp -j DNAT --to-destination 10.180.0.2:80
    -A KUBE-SVC-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 cluster IP" -m tcp -p tcp -d 10.20.30.41 --dport 80 ! -s 10.0.0.0/8 -j KUBE-MARK-MASQ
    -A KUBE-SVC-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 -> 10.180.0.1:80" -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-SXIVWICOYRO3J4NJ
    -A KUBE-SVC-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 -> 10.180.0.2:80" -j KUBE-SEP-LXVODXWDISEETFEF
    COMMIT
    "
  `);
  expect(renderPartial(4, [{ before: after, after: before }])).toContain('-X KUBE-SEP-');
  expect(renderPartial(4, [{ before, after: before }])).toBe('');
  expect(renderPartial(4, [{ before, after: undefined }])).toMatchInlineSnapshot(`
    "*nat
    :KUBE-SEP-SXIVWICOYRO3J4NJ - [0:0]
    :KUBE-SVC-XPGD46QRK7WJZT7O - [0:0]
    -D KUBE-SERVICES -m comment --comment "ns1/svc1:p80 cluster IP" -m tcp -p tcp -d 10.20.30.41 --dport 80 -j KUBE-SVC-XPGD46QRK7WJZT7O
    -X KUBE-SEP-SXIVWICOYRO3J4NJ
    -X KUBE-SVC-XPGD46QRK7WJZT7O
    COMMIT
    "
  `);
});

it('takes over from another kube-proxy: keeps its jumps, removes its chains that nobody wants', async () => {
  const saved = { filter: '-A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS', nat: ':KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]\n-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES' };
  const full = renderFull(4, { pieces: [], settings, saved });
  expect(full).toContain('-X KUBE-SVC-AAAAAAAAAAAAAAAA');
  expect(full).not.toContain('-I PREROUTING');
  expect(full).toContain('-I OUTPUT 1');
  expect(full.split('\n').filter((line) => line.includes('-j KUBE-NODEPORTS') && line.startsWith('-I'))).toEqual([]);
  expect(renderCleanUp({ filter: '', nat: `:KUBE-SERVICES - [0:0]\n${saved.nat}` })).toBe(
    '*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]\n-D PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES\n-X KUBE-SERVICES\n-X KUBE-SVC-AAAAAAAAAAAAAAAA\nCOMMIT\n',
  );
});

it('forgets nothing when the kernel refuses: the same change is tried again', async () => {
  const restored: string[] = [];
  let refuse = false;
  const iptables = { save: () => Promise.resolve(''), restore: (text: string) => (refuse ? Promise.reject(new Error('no')) : Promise.resolve(void restored.push(text))) };
  const backEnd = createIptablesBackEnd({ iptables: { 4: iptables }, hash: sha256, node: { name: 'here' }, settings });
  await backEnd.sync({ full: true, services: new Map([['ns1/svc1', routingsOf({}, ['10.180.0.1@here'])]]) });
  refuse = true;
  const change = { full: false, services: new Map([['ns1/svc1', routingsOf({}, ['10.180.0.2@here'])]]) };
  await expect(backEnd.sync(change)).rejects.toThrow('no');
  refuse = false;
  await backEnd.sync(change);
  expect(restored).toHaveLength(2);
  expect(restored[1]).toContain('--to-destination 10.180.0.2:80');
});

it('node ports on loopback: only over IPv4, only where they answer everywhere, and not for neighbours', () => {
  const full = (family: 4 | 6, over: Partial<NodeSettings>): string[] => renderFull(family, { pieces: [], settings: { ...settings, localhostNodePorts: true, ...over }, saved: nothingSaved }).split('\n');
  const nodePorts = (lines: readonly string[]): string[] => lines.filter((line) => line.endsWith('-j KUBE-NODEPORTS') && line.startsWith('-A KUBE-SERVICES')).map((line) => line.replace(/.*last rule in this chain" /, ''));
  expect(nodePorts(full(4, {}))).toEqual(['-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS']);
  expect(full(4, {}).filter((line) => line.startsWith('-A KUBE-FIREWALL'))).toHaveLength(1);
  expect(nodePorts(full(6, {}))).toEqual(['-m addrtype --dst-type LOCAL ! -d ::1/128 -j KUBE-NODEPORTS']);
  expect(nodePorts(full(4, { localhostNodePorts: false }))).toEqual(['-m addrtype --dst-type LOCAL ! -d 127.0.0.0/8 -j KUBE-NODEPORTS']);
  expect(full(4, { nodePortAddresses: ['10.0.0.1'] }).filter((line) => line.startsWith('-A KUBE-FIREWALL'))).toEqual([]);
});

it('beyond 1,000 endpoints: no comments and no chains of endpoints, services by ranges, one rule for endpoints that reach themselves', async () => {
  const restored: string[] = [];
  let knowsBpf = true;
  const restore = (text: string): Promise<void> => {
    if (!knowsBpf && text.includes('-m bpf')) return Promise.reject(new CommandError({ command: 'iptables-restore', code: 2, stderr: 'no bpf' }));
    return Promise.resolve(void restored.push(text));
  };
  const backEnd = (compactFrom?: number): ReturnType<typeof createIptablesBackEnd> =>
    createIptablesBackEnd({ iptables: { 4: { save: () => Promise.resolve(''), restore } }, hash: sha256, node: { name: 'here' }, settings, ...(compactFrom === undefined ? {} : { compactFrom }) });
  const services = new Map([['ns1/svc1', routingsOf({}, ['10.180.0.1@here', '10.180.0.2@there'])]]);
  const compact = backEnd(2);
  await compact.sync({ full: true, services });
  const ofServices = (text = ''): string[] => text.split('\n').filter((line) => /SVC-|SEP-|NET-|bpf/.test(line));
  expect(ofServices(restored.pop())).toMatchInlineSnapshot(`
    [
      ":KUBE-SVC-XPGD46QRK7WJZT7O - [0:0]",
      ":KUBE-NET-FV6INDLLOIAKNELA - [0:0]",
      "-A KUBE-SERVICES -d 10.20.30.0/24 -j KUBE-NET-FV6INDLLOIAKNELA",
      "-A KUBE-SVC-XPGD46QRK7WJZT7O ! -s 10.0.0.0/8 -j KUBE-MARK-MASQ",
      "-A KUBE-SVC-XPGD46QRK7WJZT7O -m statistic --mode random --probability 0.5000000000 -p tcp -j DNAT --to-destination 10.180.0.1:80",
      "-A KUBE-SVC-XPGD46QRK7WJZT7O -p tcp -j DNAT --to-destination 10.180.0.2:80",
      "-A KUBE-NET-FV6INDLLOIAKNELA -m tcp -p tcp -d 10.20.30.41 --dport 80 -j KUBE-SVC-XPGD46QRK7WJZT7O",
      "-A KUBE-POSTROUTING -m conntrack --ctstate DNAT -m bpf --bytecode "6,32 0 0 12,7 0 0 0,32 0 0 16,29 0 1 0,6 0 0 1,6 0 0 0" -j MASQUERADE --random-fully",
    ]
  `);
  await compact.sync({ full: false, services: new Map([['ns1/svc2', routingsOf({ clusterIP: '10.20.30.99', clusterIPs: ['10.20.30.99'] }, ['10.180.0.3@here'])], ['ns1/svc3', routingsOf({ clusterIP: '10.20.31.1', clusterIPs: ['10.20.31.1'] }, ['10.180.0.3@here'])]]) });
  expect(ofServices(restored.pop()).filter((line) => line.includes('NET-'))).toMatchInlineSnapshot(`
    [
      ":KUBE-NET-JKINI5UW4FEQHQ6N - [0:0]",
      "-I KUBE-NET-FV6INDLLOIAKNELA -m tcp -p tcp -d 10.20.30.99 --dport 80 -j KUBE-SVC-XPGD46QRK7WJZT7O",
      "-I KUBE-NET-JKINI5UW4FEQHQ6N -m tcp -p tcp -d 10.20.31.1 --dport 80 -j KUBE-SVC-XPGD46QRK7WJZT7O",
      "-I KUBE-SERVICES -d 10.20.31.0/24 -j KUBE-NET-JKINI5UW4FEQHQ6N",
    ]
  `);
  const few = backEnd();
  await few.sync({ full: true, services });
  expect(restored.pop()).not.toContain('KUBE-NET-');
  knowsBpf = false;
  await backEnd(2).sync({ full: true, services });
  expect(restored.pop()).toContain(':KUBE-SEP-');
});
