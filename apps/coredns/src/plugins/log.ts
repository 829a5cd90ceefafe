import { type Query, type Reply, absolute } from '../message.ts';
import { inZone } from '../corefile/zones.ts';
import { encodeReply } from '../server/wire.ts';
import { type Setup, argumentError, errorAt, zonesOf } from './plugin.ts';
import { kindOf } from './reply-kind.ts';

const common = '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" {rcode} {>rflags} {rsize} {duration}';
const combined = `${common} "{>opcode}"`;

type Class = 'all' | 'success' | 'denial' | 'error';

interface Rule {
  readonly zones: readonly string[];
  readonly format: string;
  readonly classes: ReadonlySet<Class>;
}

const classOf = (reply: Reply): Class => {
  switch (kindOf(reply)) {
    case 'noerror':
    case 'delegation':
      return 'success';
    case 'nxdomain':
    case 'nodata':
      return 'denial';
    default:
      return 'error';
  }
};

const flags = (query: Query, reply: Reply): string =>
  ['qr', reply.authoritative && 'aa', reply.truncated && 'tc', query.recursionDesired && 'rd', 'ra', reply.authenticData && 'ad', query.checkingDisabled && 'cd'].filter(Boolean).join(',');

/** Values by the names of https://coredns.io/plugins/log/. What has none is `-`. */
function valuesOf(query: Query, reply: Reply, seconds: number): (name: string) => string {
  return (name) => {
    switch (name) {
      case 'type': return query.type.replace(/^UNKNOWN_/, 'TYPE');
      case 'name': return absolute(query.asked);
      case 'class': return query.class;
      case 'proto': return query.transport;
      case 'remote': return query.client.ip.includes(':') ? `[${query.client.ip}]` : query.client.ip;
      case 'port': return String(query.client.port);
      case 'size': return String(query.size);
      case 'rcode': return reply.rcode;
      case 'rsize': return String(encodeReply(query, reply).length);
      case 'duration': return `${Number(seconds.toFixed(9))}s`;
      case '>id': return String(query.id);
      case '>do': return String(query.edns?.dnssecOk ?? false);
      case '>bufsize': return String(query.edns?.size ?? 512);
      case '>rflags': return flags(query, reply);
      case '>opcode': return '0';
      default: return '-';
    }
  };
}

/** One line a query. */
export const log: Setup = (lines, { env, zones: ofBlock }) => {
  const rules = lines.map((line): Rule => {
    const formatted = line.args.findIndex((arg) => arg.text.includes('{'));
    if (formatted >= 0 && formatted < line.args.length - 1) throw argumentError(line);
    const named = formatted < 0 ? line.args : line.args.slice(0, formatted);
    const text = formatted < 0 ? common : (line.args[formatted]?.text ?? common);
    const classes = new Set<Class>();
    for (const property of line.block) {
      if (property.name.text !== 'class' || !property.args.length) throw argumentError(property);
      for (const arg of property.args) {
        if (!['all', 'success', 'denial', 'error'].includes(arg.text)) throw errorAt(arg, `invalid class ${arg.text}`);
        classes.add(arg.text as Class);
      }
    }
    if (!classes.size) classes.add('all');
    return { zones: zonesOf(named, ofBlock), format: text.replaceAll('{common}', common).replaceAll('{combined}', combined), classes };
  });
  return {
    async handle(query, next) {
      const rule = rules.find(({ zones }) => zones.some((zone) => inZone(query.name, zone)));
      if (!rule) return next(query);
      const began = env.clock.monotonic();
      const line = (reply: Reply): void => {
        if (!rule.classes.has('all') && !rule.classes.has(classOf(reply))) return;
        const value = valuesOf(query, reply, (env.clock.monotonic() - began) / 1000);
        env.log.info(rule.format.replace(/\{([^{}]+)\}/g, (_whole, name: string) => value(name)));
      };
      try {
        const reply = await next(query);
        line(reply);
        return reply;
      } catch (error) {
        line({ rcode: 'SERVFAIL', answers: [], additionals: [], authorities: [], authoritative: false });
        throw error;
      }
    },
  };
};
