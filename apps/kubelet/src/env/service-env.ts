import type { Service } from '@orrery/api/types';
import type { KeyValue } from '@orrery/proto/cri';

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

interface Told {
  readonly services: readonly Service[];
  readonly variables: ReadonlyMap<string, string>;
}

/** What pods were told last that were told of the same services, by the first of these. */
const told = new WeakMap<Service, Told>();
const lists = new WeakMap<ReadonlyMap<string, string>, readonly KeyValue[]>();
const none: ReadonlyMap<string, string> = new Map();

/** Docker-style link variables of services with a cluster address; later services do not override earlier names. The same object for the same services. */
export function serviceEnvironment(services: readonly Service[]): ReadonlyMap<string, string> {
  const [first] = services;
  if (!first) return none;
  const last = told.get(first);
  if (last?.services.length === services.length && services.every((service, i) => service === last.services[i])) return last.variables;
  const variables = variablesOf(services);
  told.set(first, { services: [...services], variables });
  lists.set(variables, listed(variables));
  return variables;
}

function listed(variables: ReadonlyMap<string, string>): KeyValue[] {
  const list: KeyValue[] = [];
  for (const [key, value] of variables) list.push({ key, value });
  return list;
}

/** Variables as CRI has them. */
export function environmentList(variables: ReadonlyMap<string, string>): KeyValue[] {
  return (lists.get(variables) as KeyValue[] | undefined) ?? listed(variables);
}

function variablesOf(services: readonly Service[]): Map<string, string> {
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
