import { sha256 } from '@orrery/linux';
import { expect, it } from 'vitest';
import type { NodeSettings } from '../linux/back-end.ts';
import { routingsOf } from '../testing/render-cases.ts';
import { createNftablesBackEnd } from './back-end.ts';
import { renderPiece } from './piece.ts';
import { renderPolicies } from './policy-back-end.ts';
import { renderBase, renderChanges } from './table.ts';

const local = { cidr: '10.0.0.0/8' };
const context = { hash: sha256, node: { name: 'here' }, local, masqueradeAll: false };
const settings: NodeSettings = { families: [4], local: { 4: local }, nodePortAddresses: ['192.168.0.2'], masqueradeAll: false, masqueradeBit: 14 };

it('renders all of a LoadBalancer under external policy Local', () => {
  const piece = renderPiece(
    routingsOf(
      { type: 'LoadBalancer', externalTrafficPolicy: 'Local', loadBalancerSourceRanges: ['203.0.113.0/25'], sessionAffinity: 'ClientIP', ports: [{ name: 'p80', port: 80, nodePort: 3001 }] },
      ['10.180.0.1@here', '10.180.0.2@there'],
      { status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } } },
    ),
    context,
  );
  expect(renderChanges(4, [{ before: undefined, after: piece }]).join('\n')).toMatchInlineSnapshot(`
    "add chain ip kube-proxy endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80
    add chain ip kube-proxy endpoint-2ZNDXFAB-ns1/svc1/tcp/p80__10.180.0.2/80
    add chain ip kube-proxy service-ULMVA6XW-ns1/svc1/tcp/p80
    add chain ip kube-proxy local-ULMVA6XW-ns1/svc1/tcp/p80
    add chain ip kube-proxy external-ULMVA6XW-ns1/svc1/tcp/p80
    add chain ip kube-proxy firewall-ULMVA6XW-ns1/svc1/tcp/p80
    add set ip kube-proxy affinity-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80 { type ipv4_addr ; flags dynamic,timeout ; timeout 10800s ; }
    add set ip kube-proxy affinity-2ZNDXFAB-ns1/svc1/tcp/p80__10.180.0.2/80 { type ipv4_addr ; flags dynamic,timeout ; timeout 10800s ; }
    add rule ip kube-proxy endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80 update @affinity-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80 { ip saddr }
    add rule ip kube-proxy endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80 meta l4proto tcp dnat to 10.180.0.1:80
    add rule ip kube-proxy endpoint-2ZNDXFAB-ns1/svc1/tcp/p80__10.180.0.2/80 update @affinity-2ZNDXFAB-ns1/svc1/tcp/p80__10.180.0.2/80 { ip saddr }
    add rule ip kube-proxy endpoint-2ZNDXFAB-ns1/svc1/tcp/p80__10.180.0.2/80 meta l4proto tcp dnat to 10.180.0.2:80
    add rule ip kube-proxy service-ULMVA6XW-ns1/svc1/tcp/p80 ip daddr 10.20.30.41 tcp dport 80 ip saddr != 10.0.0.0/8 jump mark-for-masquerade
    add rule ip kube-proxy service-ULMVA6XW-ns1/svc1/tcp/p80 ip saddr @affinity-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80 goto endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80
    add rule ip kube-proxy service-ULMVA6XW-ns1/svc1/tcp/p80 ip saddr @affinity-2ZNDXFAB-ns1/svc1/tcp/p80__10.180.0.2/80 goto endpoint-2ZNDXFAB-ns1/svc1/tcp/p80__10.180.0.2/80
    add rule ip kube-proxy service-ULMVA6XW-ns1/svc1/tcp/p80 numgen random mod 2 0 goto endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80
    add rule ip kube-proxy service-ULMVA6XW-ns1/svc1/tcp/p80 goto endpoint-2ZNDXFAB-ns1/svc1/tcp/p80__10.180.0.2/80
    add rule ip kube-proxy local-ULMVA6XW-ns1/svc1/tcp/p80 ip daddr 10.20.30.41 tcp dport 80 ip saddr != 10.0.0.0/8 jump mark-for-masquerade
    add rule ip kube-proxy local-ULMVA6XW-ns1/svc1/tcp/p80 ip saddr @affinity-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80 goto endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80
    add rule ip kube-proxy local-ULMVA6XW-ns1/svc1/tcp/p80 goto endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80
    add rule ip kube-proxy external-ULMVA6XW-ns1/svc1/tcp/p80 ip saddr 10.0.0.0/8 goto service-ULMVA6XW-ns1/svc1/tcp/p80 comment "short-circuit pod traffic"
    add rule ip kube-proxy external-ULMVA6XW-ns1/svc1/tcp/p80 fib saddr type local jump mark-for-masquerade comment "masquerade local traffic"
    add rule ip kube-proxy external-ULMVA6XW-ns1/svc1/tcp/p80 fib saddr type local goto service-ULMVA6XW-ns1/svc1/tcp/p80 comment "short-circuit local traffic"
    add rule ip kube-proxy external-ULMVA6XW-ns1/svc1/tcp/p80 goto local-ULMVA6XW-ns1/svc1/tcp/p80
    add rule ip kube-proxy firewall-ULMVA6XW-ns1/svc1/tcp/p80 ip saddr 203.0.113.0/25 return
    add rule ip kube-proxy firewall-ULMVA6XW-ns1/svc1/tcp/p80 drop
    add element ip kube-proxy cluster-ips { 10.20.30.41 }
    add element ip kube-proxy service-ips { 10.20.30.41 . tcp . 80 : goto service-ULMVA6XW-ns1/svc1/tcp/p80 }
    add element ip kube-proxy service-ips { 1.2.3.4 . tcp . 80 : goto external-ULMVA6XW-ns1/svc1/tcp/p80 }
    add element ip kube-proxy firewall-ips { 1.2.3.4 . tcp . 80 comment "ns1/svc1:p80" : goto firewall-ULMVA6XW-ns1/svc1/tcp/p80 }
    add element ip kube-proxy service-nodeports { tcp . 3001 : goto external-ULMVA6XW-ns1/svc1/tcp/p80 }"
  `);
});

it('changes only what an endpoint that comes changes, and leaves an affinity alone', () => {
  const sticky = { sessionAffinity: 'ClientIP' };
  const before = renderPiece(routingsOf(sticky, ['10.180.0.1@here']), context);
  const after = renderPiece(routingsOf(sticky, ['10.180.0.1@here', '10.180.0.2@there']), context);
  expect(renderChanges(4, [{ before, after }]).join('\n')).toMatchInlineSnapshot(`
    "add chain ip kube-proxy endpoint-2ZNDXFAB-ns1/svc1/tcp/p80__10.180.0.2/80
    flush chain ip kube-proxy service-ULMVA6XW-ns1/svc1/tcp/p80
    add set ip kube-proxy affinity-2ZNDXFAB-ns1/svc1/tcp/p80__10.180.0.2/80 { type ipv4_addr ; flags dynamic,timeout ; timeout 10800s ; }
    add rule ip kube-proxy endpoint-2ZNDXFAB-ns1/svc1/tcp/p80__10.180.0.2/80 update @affinity-2ZNDXFAB-ns1/svc1/tcp/p80__10.180.0.2/80 { ip saddr }
    add rule ip kube-proxy endpoint-2ZNDXFAB-ns1/svc1/tcp/p80__10.180.0.2/80 meta l4proto tcp dnat to 10.180.0.2:80
    add rule ip kube-proxy service-ULMVA6XW-ns1/svc1/tcp/p80 ip daddr 10.20.30.41 tcp dport 80 ip saddr != 10.0.0.0/8 jump mark-for-masquerade
    add rule ip kube-proxy service-ULMVA6XW-ns1/svc1/tcp/p80 ip saddr @affinity-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80 goto endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80
    add rule ip kube-proxy service-ULMVA6XW-ns1/svc1/tcp/p80 ip saddr @affinity-2ZNDXFAB-ns1/svc1/tcp/p80__10.180.0.2/80 goto endpoint-2ZNDXFAB-ns1/svc1/tcp/p80__10.180.0.2/80
    add rule ip kube-proxy service-ULMVA6XW-ns1/svc1/tcp/p80 numgen random mod 2 0 goto endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80
    add rule ip kube-proxy service-ULMVA6XW-ns1/svc1/tcp/p80 goto endpoint-2ZNDXFAB-ns1/svc1/tcp/p80__10.180.0.2/80"
  `);
  expect(renderChanges(4, [{ before, after: before }])).toEqual([]);
  expect(renderChanges(4, [{ before, after: undefined }]).join('\n')).toMatchInlineSnapshot(`
    "delete element ip kube-proxy cluster-ips { 10.20.30.41 }
    delete element ip kube-proxy service-ips { 10.20.30.41 . tcp . 80 }
    flush chain ip kube-proxy endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80
    flush chain ip kube-proxy service-ULMVA6XW-ns1/svc1/tcp/p80
    delete set ip kube-proxy affinity-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80
    delete chain ip kube-proxy endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80
    delete chain ip kube-proxy service-ULMVA6XW-ns1/svc1/tcp/p80"
  `);
});

it('an affinity of another time is a new set, and all that speak of it are written anew', () => {
  const timeout = (timeoutSeconds: number): Parameters<typeof routingsOf>[0] => ({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds } } });
  const [before, after] = [60, 90].map((seconds) => renderPiece(routingsOf(timeout(seconds), ['10.180.0.1@here']), context));
  const lines = renderChanges(4, [{ before, after }]);
  expect(lines.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual(['flush chain', 'flush chain', 'delete set', 'add set', 'add rule', 'add rule', 'add rule', 'add rule', 'add rule']);
});

it('an address that passes from one service to another is taken before it is given', () => {
  const one = renderPiece(routingsOf({ externalIPs: ['192.0.2.1'] }, ['10.180.0.1@here']), context);
  const without = renderPiece(routingsOf({}, ['10.180.0.1@here']), context);
  const lines = renderChanges(4, [{ before: undefined, after: one }, { before: one, after: without }]);
  expect(lines.findIndex((line) => line.startsWith('delete element') && line.includes('192.0.2.1'))).toBeLessThan(lines.findIndex((line) => line.startsWith('add element') && line.includes('192.0.2.1')));
});

it('a service that only its cluster IP leads to is elements of maps, which all services of so many endpoints share', () => {
  const two = renderPiece(routingsOf({}, ['10.180.0.1@here', '10.180.0.2@there']), context);
  const one = renderPiece(routingsOf({}, ['10.180.0.2@there']), context);
  expect([two.chains.size, two.hairpins]).toEqual([0, ['10.180.0.1 . 10.180.0.1']]);
  expect(renderChanges(4, [{ before: two, after: one }])).toEqual([
    'delete element ip kube-proxy service-ips { 10.20.30.41 . tcp . 80 }',
    'delete element ip kube-proxy endpoints-of-2 { 10.20.30.41 . tcp . 80 . 0 }',
    'delete element ip kube-proxy endpoints-of-2 { 10.20.30.41 . tcp . 80 . 1 }',
    'add element ip kube-proxy service-ips { 10.20.30.41 . tcp . 80 : goto draw-of-1 }',
    'add element ip kube-proxy endpoints-of-1 { 10.20.30.41 . tcp . 80 . 0 : 10.180.0.2 . 80 }',
  ]);
  expect(renderBase(4, settings).filter((line) => line.includes('f-2'))).toEqual([
    'add map ip kube-proxy endpoints-of-2 { typeof ip daddr . meta l4proto . th dport . numgen random mod 2 : ip daddr . th dport ; }',
    'add chain ip kube-proxy draw-of-2',
    'add rule ip kube-proxy draw-of-2 ip saddr != 10.0.0.0/8 jump mark-for-masquerade',
    'add rule ip kube-proxy draw-of-2 dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 2 map @endpoints-of-2',
  ]);
});

it('endpoints have chains where there is an affinity or a map is quicker, else rules of the service', () => {
  const nodePort = { type: 'NodePort', ports: [{ name: 'p80', port: 80, nodePort: 3001 }] };
  const few = renderPiece(routingsOf(nodePort, ['10.180.0.1@here', '10.180.0.2@there']), context);
  expect(few.chains.get('service-ULMVA6XW-ns1/svc1/tcp/p80')).toEqual([
    'ip daddr 10.20.30.41 tcp dport 80 ip saddr != 10.0.0.0/8 jump mark-for-masquerade',
    'numgen random mod 2 0 meta l4proto tcp dnat to 10.180.0.1:80',
    'meta l4proto tcp dnat to 10.180.0.2:80',
  ]);
  expect([...few.chains.keys()].some((name) => name.startsWith('endpoint-'))).toBe(false);
  const many = renderPiece(routingsOf({}, Array.from({ length: 17 }, (_, i) => `10.180.0.${i + 1}@there`)), context);
  expect(many.chains.size).toBe(18);
  expect([...many.chains.values()].at(-1)?.at(-1)).toMatch(/^numgen random mod 17 vmap \{ 0 : goto endpoint-/);
});

it('an element that two services ask for stays until both are gone', async () => {
  const told: string[] = [];
  const backEnd = createNftablesBackEnd({ nft: { apply: (text) => Promise.resolve(void told.push(text)), list: () => Promise.resolve('') }, hash: sha256, node: { name: 'here' }, settings });
  const routings = routingsOf({}, ['10.180.0.1@here']);
  await backEnd.sync({ full: true, services: new Map([['ns1/one', routings], ['ns1/two', routings]]) });
  await backEnd.sync({ full: false, services: new Map([['ns1/one', []]]) });
  await backEnd.sync({ full: false, services: new Map([['ns1/two', []]]) });
  expect(told.map((text) => text.split('\n').filter((line) => line.includes('element ip kube-proxy hairpin-ips')))).toEqual([
    ['add element ip kube-proxy hairpin-ips { 10.180.0.1 . 10.180.0.1 }'], [], ['delete element ip kube-proxy hairpin-ips { 10.180.0.1 . 10.180.0.1 }'],
  ]);
});

it('the base: the table anew, chains at the priorities of upstream, node ports on chosen addresses', () => {
  const base = renderBase(4, settings);
  expect(base.slice(0, 3)).toEqual(['add table ip kube-proxy', 'delete table ip kube-proxy', 'add table ip kube-proxy { comment "rules for kube-proxy" ; }']);
  expect(base).toContain('add chain ip kube-proxy nat-prerouting { type nat hook prerouting priority -100 ; }');
  expect(base).toContain('add rule ip kube-proxy services ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports');
  expect(base.at(-1)).toBe('add element ip kube-proxy nodeport-ips { 192.168.0.2 }');
  expect(renderBase(6, { ...settings, nodePortAddresses: [] })).toContain('add rule ip6 kube-proxy services fib daddr type local ip6 daddr != ::1 meta l4proto . th dport vmap @service-nodeports');
});

it('policies: rules once, pods by address, dropped unless accepted', () => {
  const rules = [{ peers: [{ ips: ['10.1.0.2', 'fd00::2'] }, { cidr: '192.0.2.0/24', except: ['192.0.2.7/32'] }], ports: [{ protocol: 'TCP', from: 80, to: 80 }, { protocol: 'UDP', from: 50, to: 60 }] }, {}] as const;
  const text = renderPolicies({ rules, pods: [{ ips: ['10.1.0.9', 'fd00::9'], ingress: [0], egress: [1] }] });
  expect(text).toMatchInlineSnapshot(`
    "add table inet orrery-network-policy
    delete table inet orrery-network-policy
    add table inet orrery-network-policy
    add map inet orrery-network-policy ingress-ip { type ipv4_addr : verdict ; }
    add map inet orrery-network-policy ingress-ip6 { type ipv6_addr : verdict ; }
    add map inet orrery-network-policy egress-ip { type ipv4_addr : verdict ; }
    add map inet orrery-network-policy egress-ip6 { type ipv6_addr : verdict ; }
    add chain inet orrery-network-policy forward-egress { type filter hook forward priority 0 ; }
    add rule inet orrery-network-policy forward-egress ct state established,related accept
    add chain inet orrery-network-policy forward-ingress { type filter hook forward priority 1 ; }
    add rule inet orrery-network-policy forward-ingress ct state established,related accept
    add chain inet orrery-network-policy rule-0-ingress
    add rule inet orrery-network-policy rule-0-ingress ip saddr 10.1.0.2 tcp dport 80 accept
    add rule inet orrery-network-policy rule-0-ingress ip saddr 10.1.0.2 udp dport 50-60 accept
    add rule inet orrery-network-policy rule-0-ingress ip6 saddr fd00::2 tcp dport 80 accept
    add rule inet orrery-network-policy rule-0-ingress ip6 saddr fd00::2 udp dport 50-60 accept
    add rule inet orrery-network-policy rule-0-ingress ip saddr 192.0.2.0/24 ip saddr != 192.0.2.7/32 tcp dport 80 accept
    add rule inet orrery-network-policy rule-0-ingress ip saddr 192.0.2.0/24 ip saddr != 192.0.2.7/32 udp dport 50-60 accept
    add chain inet orrery-network-policy rule-1-egress
    add rule inet orrery-network-policy rule-1-egress accept
    add chain inet orrery-network-policy pod-0-ingress
    add rule inet orrery-network-policy pod-0-ingress jump rule-0-ingress
    add rule inet orrery-network-policy pod-0-ingress drop comment "no network policy allows it"
    add element inet orrery-network-policy ingress-ip { 10.1.0.9 : goto pod-0-ingress }
    add element inet orrery-network-policy ingress-ip6 { fd00::9 : goto pod-0-ingress }
    add chain inet orrery-network-policy pod-0-egress
    add rule inet orrery-network-policy pod-0-egress jump rule-1-egress
    add rule inet orrery-network-policy pod-0-egress drop comment "no network policy allows it"
    add element inet orrery-network-policy egress-ip { 10.1.0.9 : goto pod-0-egress }
    add element inet orrery-network-policy egress-ip6 { fd00::9 : goto pod-0-egress }
    add rule inet orrery-network-policy forward-egress ip saddr vmap @egress-ip
    add rule inet orrery-network-policy forward-egress ip6 saddr vmap @egress-ip6
    add rule inet orrery-network-policy forward-ingress ip daddr vmap @ingress-ip
    add rule inet orrery-network-policy forward-ingress ip6 daddr vmap @ingress-ip6
    "
  `);
  expect(renderPolicies({ rules: [], pods: [] })).toBe('add table inet orrery-network-policy\ndelete table inet orrery-network-policy\n');
});

it('policies where pods have addresses of the node: what comes in is held to them, what the node itself sends is not', () => {
  const set = { rules: [{}], pods: [{ ips: ['10.1.0.9'], ingress: [0] }] };
  const local = renderPolicies(set, { localPods: true }).split('\n').filter((line) => line.includes('input'));
  expect(local).toEqual([
    'add chain inet orrery-network-policy input-ingress { type filter hook input priority 1 ; }',
    'add rule inet orrery-network-policy input-ingress ct state established,related accept',
    'add rule inet orrery-network-policy input-ingress iif lo accept comment "the node itself"',
    'add rule inet orrery-network-policy input-ingress ip daddr vmap @ingress-ip',
    'add rule inet orrery-network-policy input-ingress ip6 daddr vmap @ingress-ip6',
  ]);
  expect(renderPolicies(set)).not.toContain('input');
});
