import type { Service } from '@orrery/api/types';

const variable = (name: string): string => name.toUpperCase().replace(/-/g, '_');

/** Every pod of a namespace is told of the same services: their names and addresses are put together once. */
const known = new WeakMap<Service, readonly (readonly [string, string])[]>();

function serviceVariables(service: Service): (readonly [string, string])[] {
  const ip = service.spec?.clusterIP ?? '';
  const ports = service.spec?.ports ?? [];
  const [first] = ports;
  if (!first) return [];
  const prefix = variable(service.metadata?.name ?? '');
  const host = ip.includes(':') ? `[${ip}]` : ip;
  const out: (readonly [string, string])[] = [
    [`${prefix}_SERVICE_HOST`, ip],
    [`${prefix}_SERVICE_PORT`, String(first.port)],
  ];
  for (const { name, port } of ports) if (name) out.push([`${prefix}_SERVICE_PORT_${variable(name)}`, String(port)]);
  for (const [i, { port, protocol = 'TCP' }] of ports.entries()) {
    const lower = protocol.toLowerCase();
    const url = `${lower}://${host}:${port}`;
    const base = `${prefix}_PORT_${port}_${protocol}`;
    if (i === 0) out.push([`${prefix}_PORT`, url]);
    out.push([base, url], [`${base}_PROTO`, lower], [`${base}_PORT`, String(port)], [`${base}_ADDR`, ip]);
  }
  return out;
}

/** Docker-style link variables of services with a cluster address; later services do not override earlier names. */
export function serviceEnvironment(services: Iterable<Service>): Map<string, string> {
  const out = new Map<string, string>();
  for (const service of services) {
    const ip = service.spec?.clusterIP;
    if (!ip || ip === 'None') continue;
    let variables = known.get(service);
    if (!variables) known.set(service, (variables = serviceVariables(service)));
    for (const [name, value] of variables) if (!out.has(name)) out.set(name, value);
  }
  return out;
}
