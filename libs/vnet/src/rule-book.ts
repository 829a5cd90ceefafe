import { normalizeIp } from './address.ts';
import type { ServiceRule, ServiceUpdate } from './rules.ts';

export type Protocol = 'TCP' | 'UDP';

export function addressKey(protocol: Protocol, ip: string, port: number): string {
  return `${protocol}/${normalizeIp(ip)}/${port}`;
}

export function nodePortKey(protocol: Protocol, port: number, family: 4 | 6): string {
  return `${protocol}/${family === 6 ? '[*]' : '*'}/${port}`;
}

function ruleKey({ match }: ServiceRule): string {
  return 'nodePort' in match ? nodePortKey(match.protocol, match.nodePort, match.family ?? 4) : addressKey(match.protocol, match.ip, match.port);
}

/** Rules by service, found by what they match. Applying an update a second time costs a comparison a service. */
export class RuleBook {
  private readonly services = new Map<string, readonly ServiceRule[]>();
  private readonly index = new Map<string, ServiceRule>();

  get(key: string): ServiceRule | undefined {
    return this.index.get(key);
  }

  get size(): number {
    return this.index.size;
  }

  replaceAll(services: ReadonlyMap<string, readonly ServiceRule[]>): void {
    this.services.clear();
    this.index.clear();
    this.change(services);
  }

  change(services: ReadonlyMap<string, readonly ServiceRule[]>): void {
    const added: ServiceRule[] = [];
    for (const [service, rules] of services) {
      const old = this.services.get(service);
      if (old === rules) continue;
      for (const rule of old ?? []) {
        const key = ruleKey(rule);
        if (this.index.get(key) === rule) this.index.delete(key);
      }
      if (rules.length) this.services.set(service, rules);
      else this.services.delete(service);
      added.push(...rules);
    }
    // After all old ones are gone, since an address may pass from one service to another.
    for (const rule of added) this.index.set(ruleKey(rule), rule);
  }
}

/** kube-proxy gives all switches the same shared rules, so those of one process keep them in one book. */
const books = new WeakMap<object, RuleBook>();

export function sharedBook(update: ServiceUpdate): RuleBook {
  let book = books.get(update);
  if (!book) {
    books.set(update, (book = new RuleBook()));
    book.replaceAll(update.services);
  }
  return book;
}

/** The shared book of a plain list of rules. */
export function listBook(rules: readonly ServiceRule[]): RuleBook {
  let book = books.get(rules);
  if (!book) {
    books.set(rules, (book = new RuleBook()));
    book.replaceAll(new Map([['', rules]]));
  }
  return book;
}
