import type { Pod } from '@orrery/api/types';
import type { LogSource, VolumeHost } from '@orrery/cri';
import { parseLogLine } from '../logs/cri-log.ts';
import type { PodRuntime, RuntimeContainer } from '../runtime/pod-runtime.ts';
import { placeOfContainer } from './pod-spec.ts';

const maxMessageBytes = 4096;
const maxLogBytes = 2048;
const maxLogLines = 80;

interface Sources {
  readonly host: VolumeHost;
  readonly logs: LogSource;
  /** Messages read before, by container id. */
  readonly known: () => Map<string, string>;
}

/** The text of the last lines of a log in the CRI format. */
async function logTail(path: string, logs: LogSource): Promise<string> {
  const extent = await logs.extent(path);
  if (!extent) return '';
  const from = Math.max(extent.start, extent.end - 4 * maxLogBytes);
  const raw = new TextDecoder().decode(await logs.read(path, from, extent.end - from));
  const lines = raw.split('\n').filter((line) => line !== '');
  const texts = lines.slice(from > extent.start ? 1 : 0).flatMap((line) => {
    const entry = parseLogLine(line);
    return entry ? [entry.partial ? entry.text : `${entry.text}\n`] : [];
  });
  return texts.slice(-maxLogLines).join('').slice(-maxLogBytes);
}

async function messageOf(pod: Pod, container: RuntimeContainer, { host, logs }: Sources): Promise<string> {
  const spec = placeOfContainer(pod, container.name)?.container;
  const bytes = container.terminationLog ? await host.readFile(container.terminationLog, maxMessageBytes) : undefined;
  if (bytes?.length) return new TextDecoder().decode(bytes);
  const toLogs = spec?.terminationMessagePolicy === 'FallbackToLogsOnError' && container.exitCode !== 0 && container.logPath;
  return toLogs ? logTail(container.logPath, logs) : '';
}

/** Whether a container may have left a message. */
export function hasEnded({ containers }: PodRuntime): boolean {
  return containers.some(({ state, lost }) => state === 'exited' && !lost);
}

/** Puts the messages that ended containers left into their states; each is read once. */
export async function withTerminationMessages(pod: Pod, runtime: PodRuntime, sources: Sources): Promise<PodRuntime> {
  const containers: RuntimeContainer[] = [];
  const known = sources.known();
  for (const id of known.keys()) if (!runtime.containers.some((container) => container.id === id)) known.delete(id);
  for (const container of runtime.containers) {
    if (container.state !== 'exited' || container.lost) {
      containers.push(container);
      continue;
    }
    let message = known.get(container.id);
    if (message === undefined) known.set(container.id, (message = await messageOf(pod, container, sources)));
    containers.push(message ? { ...container, message } : container);
  }
  return { ...runtime, containers };
}
