import type { Conn } from '@orrery/vnet';
import { FsError } from '../../fs/fs-error.ts';
import type { Proc } from '../../process/proc.ts';
import type { Flags } from './flags.ts';
import { goFileError, goLog } from './go-text.ts';

/** TLS with the files of a pair, paths as the process sees them; throws when they are no good, or where the runtime speaks no TLS. */
export function tlsFromFiles(proc: Proc, files: { cert: string; key: string }): (conn: Conn) => Promise<Conn> {
  const { servers } = proc.net;
  if (!servers) throw new Error('this runtime speaks no TLS');
  const read = (path: string): string => {
    try {
      return proc.fs.readText(proc.path(path));
    } catch (error) {
      throw error instanceof FsError ? new Error(goFileError('open', path, error)) : error;
    }
  };
  return servers.tls({ cert: read(files.cert), key: read(files.key) });
}

/** TLS by `--tls-cert-file` and `--tls-private-key-file`; ends the process when the files are no good. */
export async function tlsFromFlags(proc: Proc, flags: Flags): Promise<(conn: Conn) => Promise<Conn>> {
  try {
    return tlsFromFiles(proc, { cert: flags.get('tls-cert-file') ?? '', key: flags.get('tls-private-key-file') ?? '' });
  } catch (error) {
    await goLog(proc, (error as Error).message);
    return proc.exit(1);
  }
}
