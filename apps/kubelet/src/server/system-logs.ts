import type { LogSource, VolumeHost } from '@orrery/cri';
import type { Page } from './node-pages.ts';
import { notFound, sendBytes } from './reply.ts';

const logsDir = '/var/log';
const sniffed = 512;

interface Entry {
  readonly name: string;
  readonly isDirectory: boolean;
}

interface NodeLogs {
  readonly host: VolumeHost;
  readonly logs: LogSource;
}

/** What lies in a directory, of the node's disk and of logs that are kept elsewhere. */
async function entries({ host, logs }: NodeLogs, path: string): Promise<Entry[]> {
  const found = new Map<string, Entry>();
  for (const name of await host.list(path)) found.set(name, { name, isDirectory: (await host.kind(`${path}/${name}`)) === 'directory' });
  for (const name of (await logs.list?.(path)) ?? []) if (!found.has(name)) found.set(name, { name, isDirectory: (await logs.extent(`${path}/${name}`)) === undefined });
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function contentOf({ host, logs }: NodeLogs, path: string): Promise<Uint8Array | undefined> {
  const kind = await host.kind(path);
  if (kind) return kind === 'file' ? host.readFile(path) : undefined;
  const extent = await logs.extent(path);
  return extent && logs.read(path, extent.start, extent.end - extent.start);
}

const htmlText: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' };

/** A directory as Go's file server lists it. */
function listing(found: readonly Entry[]): string {
  const lines = found.map(({ name, isDirectory }) => {
    const shown = isDirectory ? `${name}/` : name;
    const link = shown.split('/').map(encodeURIComponent).join('/');
    return `<a href="${shown.includes(':') ? `./${link}` : link}">${shown.replace(/[&<>"']/g, (sign) => htmlText[sign] ?? sign)}</a>\n`;
  });
  return `<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n${lines.join('')}</pre>\n`;
}

/** GET /logs/…: what is below the node's /var/log, directories as listings. Queries for services of the node are off unless asked for, as upstream. */
export async function serveSystemLogs({ route, response, kubelet }: Page): Promise<void> {
  const { host, logs } = kubelet().context;
  const node = { host, logs };
  const below = route.parts.slice(1).flatMap((part) => part.split('/')).filter((part) => part !== '' && part !== '.');
  if (below.includes('..')) throw notFound();
  const path = [logsDir, ...below].join('/');
  const bytes = await contentOf(node, path);
  if (bytes) return sendBytes(response, bytes.subarray(0, sniffed).includes(0) ? 'application/octet-stream' : 'text/plain; charset=utf-8', bytes);
  const found = await entries(node, path);
  if (below.length && !found.length && (await host.kind(path)) !== 'directory') throw notFound();
  if (!below.length || route.parts.at(-1) === '') return sendBytes(response, 'text/html; charset=utf-8', listing(found));
  response.send(301, { location: `${below.at(-1)}/` });
}
