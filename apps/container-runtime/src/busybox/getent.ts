import { ResolveError } from '../net/resolver.ts';
import { type Applet, UsageError } from './applet.ts';

const files: Readonly<Record<string, string>> = { passwd: '/etc/passwd', group: '/etc/group', hosts: '/etc/hosts' };

/** getent: hosts as the resolver finds them, users and groups from their files. Exit code 2 for what is not there. */
export const getent: Applet = async (proc, args) => {
  const [database = '', ...names] = args.filter((arg) => !arg.startsWith('-'));
  const file = files[database === 'ahosts' || database === 'ahostsv4' || database === 'ahostsv6' ? 'hosts' : database];
  if (!file) throw new UsageError(`Unknown database: ${database}`);
  const lines = proc.fs.exists(file) ? proc.fs.readText(file).split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#')) : [];
  if (!names.length) {
    await proc.out(lines.map((line) => `${line}\n`).join(''));
    return 0;
  }
  let status = 0;
  for (const name of names) {
    if (file !== '/etc/hosts') {
      const line = lines.find((one) => one.split(':')[0] === name || one.split(':')[2] === name);
      if (line === undefined) status = 2;
      else await proc.out(`${line}\n`);
      continue;
    }
    try {
      for (const ip of await proc.net.lookup(name)) await proc.out(database === 'hosts' ? `${ip.padEnd(16)}  ${name}\n` : `${ip.padEnd(16)}STREAM ${name}\n`);
    } catch (error) {
      if (!(error instanceof ResolveError)) throw error;
      status = 2;
    }
  }
  return status;
};
