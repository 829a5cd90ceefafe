import type { LogSource, VolumeHost } from '@orrery/cri';
import { type LogQuery, answerFromJournal, readLogQuery } from './log-query.ts';
import type { Page } from './node-pages.ts';
import { HttpFault, notFound, sendBytes } from './reply.ts';

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

const segmentsOf = (parts: readonly string[]): string[] => parts.flatMap((part) => part.split('/')).filter((part) => part !== '' && part !== '.');

/** The logs of services one after the other: of the kubelet what it remembers, of others a file that is named after them. */
async function serviceLogs({ kubelet }: Page, query: LogQuery): Promise<string> {
  const { host, logs, journal, nodeName } = kubelet().context;
  const own = journal && query.services.includes('kubelet') ? answerFromJournal(journal.entries(), query, nodeName) : '';
  const others = query.services.filter((name) => !journal || name !== 'kubelet');
  if (others.length && query.hasOptions) return `${own}\noptions present and query resolved to log files for [${others.join(' ')}]\ntry without specifying options\n`;
  const texts: string[] = [];
  for (const name of others) {
    let bytes: Uint8Array | undefined;
    for (const file of [name, `${name}.log`, `${name}/${name}.log`]) bytes ??= await contentOf({ host, logs }, `${logsDir}/${file}`);
    texts.push(bytes ? Buffer.from(bytes).toString('utf8') : `\nlog not found for ${name}\n`);
  }
  return own + texts.join('');
}

/** GET /logs/…: what is below the node's /var/log, directories as listings; with `enableSystemLogQuery`, which is off by default as upstream, logs of services by `?query=`, too. */
export async function serveSystemLogs(page: Page): Promise<void> {
  const { route, response, kubelet, configuration } = page;
  const { host, logs } = kubelet().context;
  const node = { host, logs };
  const query = configuration?.enableSystemLogQuery ? readLogQuery(route.url.searchParams, segmentsOf(route.parts.slice(1)).join('/')) : undefined;
  if (query?.services.length) return sendBytes(response, 'text/plain;charset=UTF-8', await serviceLogs(page, query));
  const below = segmentsOf(query?.file === undefined ? route.parts.slice(1) : [query.file]);
  if (below.includes('..')) throw notFound();
  const path = [logsDir, ...below].join('/');
  const bytes = await contentOf(node, path);
  if (bytes) return sendBytes(response, bytes.subarray(0, sniffed).includes(0) ? 'application/octet-stream' : 'text/plain; charset=utf-8', bytes);
  const found = await entries(node, path);
  const isMissing = below.length > 0 && !found.length && (await host.kind(path)) !== 'directory';
  if (isMissing && query) throw new HttpFault(406, `query: Invalid value: ${JSON.stringify([query.file])}: stat ${path}: no such file or directory\n`);
  if (isMissing) throw notFound();
  if (!below.length || query || route.parts.at(-1) === '') return sendBytes(response, 'text/html; charset=utf-8', listing(found));
  response.send(301, { location: `${below.at(-1)}/` });
}
