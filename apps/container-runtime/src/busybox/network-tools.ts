import { type Conn, NetError, formatEndpoint, parseIp } from '@orrery/vnet';
import { ResolveError } from '../net/resolver.ts';
import type { Proc } from '../process/proc.ts';
import { ExecError } from '../process/process-table.ts';
import { openFile } from '../process/open-file.ts';
import { type Applet, UsageError, parseDuration, parseInteger, parseOptions } from './applet.ts';
import { nslookup } from './nslookup.ts';
import { netErrorText } from './wget.ts';

async function address(proc: Proc, name: string): Promise<string> {
  try {
    return (await proc.net.lookup(name))[0] as string;
  } catch (error) {
    if (error instanceof ResolveError) throw new UsageError(`bad address '${name}'`);
    throw error;
  }
}

/** Copies stdin to the connection and the connection to stdout until the other end closes. */
async function relay(proc: Proc, conn: Conn): Promise<number> {
  const send = async (): Promise<void> => {
    for (let bytes = await proc.read(); bytes; bytes = await proc.read()) await conn.write(bytes);
    await conn.closeWrite();
  };
  const sending = send().catch((error: unknown) => {
    if (!(error instanceof NetError)) throw error;
  });
  try {
    for (let bytes = await proc.until(conn.read()); bytes; bytes = await proc.until(conn.read())) await proc.out(bytes);
    return 0;
  } catch (error) {
    if (!(error instanceof NetError)) throw error;
    return 1;
  } finally {
    conn.close();
    sending.catch(() => conn.close());
  }
}

/** Runs a program with the connection as its stdin and stdout. */
async function runOver(proc: Proc, conn: Conn, argv: readonly string[]): Promise<number> {
  const pending: Uint8Array[] = [];
  const file = openFile({
    description: 'socket:[1]',
    async read(max) {
      const bytes = pending.shift() ?? (await conn.read());
      if (bytes && bytes.length > max) pending.unshift(bytes.subarray(max));
      return bytes?.subarray(0, max);
    },
    write: (bytes) => conn.write(bytes),
    close: () => conn.close(),
  });
  try {
    const fds = new Map([[0, file], [1, file], ...(proc.fds.has(2) ? [[2, proc.fds.get(2) as typeof file] as const] : [])]);
    return await proc.until(proc.spawn({ argv, fds }).exited);
  } catch (error) {
    if (error instanceof ExecError) throw new UsageError(`can't execute '${argv[0] ?? ''}': ${error.message}`);
    throw error;
  } finally {
    file.release();
  }
}

function listen(proc: Proc, port: number, options: { keep: boolean; argv: readonly string[] | undefined }): Promise<number> {
  return proc.until(
    new Promise<number>((resolve, reject) => {
      const listener = proc.net.listen({ ip: '', port }, (conn) => {
        if (!options.keep) listener.close();
        const serving = options.argv ? runOver(proc, conn, options.argv) : relay(proc, conn);
        serving.then((code) => (options.keep ? undefined : resolve(code)), reject);
      });
    }),
  );
}

async function udpTalk(proc: Proc, ip: string, port: number): Promise<number> {
  const socket = proc.net.udp({ ip: '', port: 0 }, (bytes) => void proc.out(bytes));
  for (let bytes = await proc.read(); bytes; bytes = await proc.read()) socket.send(bytes, { ip, port });
  await proc.sleep(1000);
  return 0;
}

const nc: Applet = async (proc, args) => {
  const exec = args.findIndex((arg) => arg === '-e');
  const argv = exec >= 0 ? args.slice(exec + 1) : undefined;
  const { flags, values, operands } = parseOptions(exec >= 0 ? args.slice(0, exec) : args, 'lkzvnu46NtrcUp:w:s:i:q:');
  const timeoutMs = values.has('w') ? parseDuration(values.get('w') as string) * 1000 : undefined;
  if (flags.has('l')) {
    const port = parseInteger(values.get('p') ?? operands.at(-1) ?? '0');
    if (flags.has('u')) {
      const socket = proc.net.udp({ ip: '', port }, (bytes, from) => void proc.out(bytes).then(() => (argv ? socket.send(bytes, from) : undefined)));
      return proc.until(new Promise<number>(() => undefined));
    }
    if (flags.has('v')) await proc.err(`listening on [::]:${port} ...\n`);
    return listen(proc, port, { keep: flags.has('k') || argv !== undefined, argv });
  }
  const [host, ports = ''] = operands;
  if (host === undefined) throw new UsageError('missing host');
  const ip = await address(proc, host);
  if (flags.has('u')) {
    if (!flags.has('z')) return udpTalk(proc, ip, parseInteger(ports));
    // A datagram that nobody refuses counts as an open port, here and elsewhere.
    proc.net.udp({ ip: '', port: 0 }, () => undefined).send(Buffer.from('X'), { ip, port: parseInteger(ports) });
    if (flags.has('v')) await proc.err(`${host} (${formatEndpoint({ ip, port: parseInteger(ports) })}) open\n`);
    return 0;
  }
  const [first = 0, last = first] = ports.split('-').map(parseInteger);
  let status = 1;
  for (let port = first; port <= last; port++) {
    try {
      const conn = await proc.net.dial({ ip, port }, timeoutMs === undefined ? {} : { timeoutMs });
      status = 0;
      if (flags.has('v')) await proc.err(`${host} (${formatEndpoint({ ip, port })}) open\n`);
      if (flags.has('z')) conn.close();
      else return argv ? await runOver(proc, conn, argv) : await relay(proc, conn);
    } catch (error) {
      if (!(error instanceof NetError)) throw error;
      if (first === last || flags.has('v')) await proc.err(error.code === 'ETIMEDOUT' ? 'nc: timed out\n' : `nc: ${host} (${formatEndpoint({ ip, port })}): ${netErrorText(error)}\n`);
    }
  }
  return status;
};

/** There is no ICMP between the switches: an address answers when it exists, whether or not a port is open. */
async function echoed(proc: Proc, ip: string, timeoutMs: number): Promise<number | undefined> {
  const start = proc.clock.monotonic();
  try {
    (await proc.net.dial({ ip, port: 7 }, { timeoutMs })).close();
  } catch (error) {
    if (!(error instanceof NetError)) throw error;
    if (error.code !== 'ECONNREFUSED' && error.code !== 'ECONNRESET') return undefined;
  }
  return proc.clock.monotonic() - start;
}

const ping: Applet = async (proc, args) => {
  const { flags, values, operands } = parseOptions(args, '46qnAc:i:w:W:s:I:t:');
  const host = operands[0];
  if (host === undefined) throw new UsageError('missing host');
  const ip = await address(proc, host);
  const count = values.has('c') ? parseInteger(values.get('c') as string) : Number.POSITIVE_INFINITY;
  const every = parseDuration(values.get('i') ?? '1') * 1000;
  const size = parseInteger(values.get('s') ?? '56');
  const timeoutMs = parseDuration(values.get('W') ?? '10') * 1000;
  const deadline = values.has('w') ? proc.clock.monotonic() + parseDuration(values.get('w') as string) * 1000 : Number.POSITIVE_INFINITY;
  await proc.out(`PING ${host} (${ip}): ${size} data bytes\n`);
  const times: number[] = [];
  let sent = 0;
  const summary = async (): Promise<number> => {
    const loss = sent ? Math.round((100 * (sent - times.length)) / sent) : 0;
    await proc.out(`\n--- ${host} ping statistics ---\n${sent} packets transmitted, ${times.length} packets received, ${loss}% packet loss\n`);
    if (times.length) await proc.out(`round-trip min/avg/max = ${Math.min(...times).toFixed(3)}/${(times.reduce((a, b) => a + b, 0) / times.length).toFixed(3)}/${Math.max(...times).toFixed(3)} ms\n`);
    return times.length ? 0 : 1;
  };
  proc.onSignal(2, () => void summary().then((code) => proc.exit(code)).catch(() => undefined));
  while (sent < count && proc.clock.monotonic() < deadline) {
    if (sent > 0) await proc.sleep(every);
    const ms = await echoed(proc, ip, Math.min(timeoutMs, Math.max(1, deadline - proc.clock.monotonic())));
    if (ms !== undefined) {
      times.push(ms);
      if (!flags.has('q')) await proc.out(`${size + 8} bytes from ${ip}: seq=${sent} ttl=64 time=${ms.toFixed(3)} ms\n`);
    }
    sent++;
  }
  return summary();
};

function interfaces(proc: Proc): { name: string; ip: string }[] {
  return [{ name: 'lo', ip: '127.0.0.1' }, ...proc.net.stack.ips.map((ip) => ({ name: 'eth0', ip }))];
}

/** `ip link add dummy0 type dummy` and the like: only a privileged container may, and the interface leads nowhere. */
async function changeLink(proc: Proc): Promise<number> {
  if (proc.host.privileged && proc.cred.uid === 0) return 0;
  await proc.err('ip: RTNETLINK answers: Operation not permitted\n');
  return 2;
}

const ip: Applet = async (proc, args) => {
  const words = args.filter((arg) => !arg.startsWith('-'));
  if (/^l/.test(words[0] ?? '') && /^(?:add|del|delete|set|change)$/.test(words[1] ?? '')) return changeLink(proc);
  if (/^l/.test(words[0] ?? '')) {
    await proc.out(interfaces(proc).map(({ name }, i) => `${i + 1}: ${name}: <${name === 'lo' ? 'LOOPBACK' : 'BROADCAST,MULTICAST'},UP,LOWER_UP> mtu ${name === 'lo' ? 65536 : 1500} state UP\n`).join(''));
    return 0;
  }
  const object = args.find((arg) => !arg.startsWith('-')) ?? '';
  if (/^a/.test(object)) {
    const rows = interfaces(proc).map(({ name, ip: own }, i) => `${i + 1}: ${name}: <${name === 'lo' ? 'LOOPBACK' : 'BROADCAST,MULTICAST'},UP,LOWER_UP> mtu ${name === 'lo' ? 65536 : 1500} state UP\n    ${own.includes(':') ? 'inet6' : 'inet'} ${own}/${name === 'lo' ? 8 : parseIp(own)?.family === 6 ? 64 : 24} scope ${name === 'lo' ? 'host' : 'global'} ${name}\n       valid_lft forever preferred_lft forever\n`);
    await proc.out(rows.join(''));
    return 0;
  }
  if (/^r/.test(object)) {
    const own = proc.net.stack.ips[0] ?? '';
    const gateway = own.replace(/\d+$/, '1');
    await proc.out(`default via ${gateway} dev eth0 \n${own.replace(/\d+$/, '0/24')} dev eth0 scope link  src ${own} \n`);
    return 0;
  }
  throw new UsageError('either "addr" or "route" is wanted');
};

export const networkTools: Readonly<Record<string, Applet>> = {
  nc, ping, ip, nslookup,
  ping6: ping,
  telnet: async (proc, args) => {
    const [host = '', port = '23'] = args;
    const target = { ip: await address(proc, host), port: parseInteger(port) };
    try {
      const conn = await proc.net.dial(target);
      await proc.err(`Connected to ${host}\n`);
      return await relay(proc, conn);
    } catch (error) {
      if (!(error instanceof NetError)) throw error;
      throw new UsageError(`can't connect to remote host (${target.ip}): ${netErrorText(error)}`);
    }
  },
  ifconfig: async (proc) => {
    await proc.out(interfaces(proc).reverse().map(({ name, ip: own }) => `${name.padEnd(9)} Link encap:${name === 'lo' ? 'Local Loopback' : 'Ethernet'}  \n          inet addr:${own}  Mask:${name === 'lo' ? '255.0.0.0' : '255.255.255.0'}\n          UP RUNNING  MTU:1500  Metric:1\n\n`).join(''));
    return 0;
  },
};
