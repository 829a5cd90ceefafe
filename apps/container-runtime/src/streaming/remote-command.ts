import { type RemoteCommandSession, type RemoteCommandStreams, acceptRemoteCommand } from '@orrery/http';
import type { Clock } from '@orrery/runtime';
import type { Container } from '../cri/container.ts';
import { execError } from '../cri/exec.ts';
import { BrokenPipe, type OpenFile, nullFile, openFile } from '../process/open-file.ts';
import { createPipe } from '../process/pipe.ts';
import { ExecError } from '../process/process-table.ts';
import type { Process } from '../process/process.ts';
import { Tty } from '../process/tty.ts';
import type { StreamHandler } from './streaming-server.ts';

/** Writes to the client; when it is gone, programs see a broken pipe. */
function clientFile(sink: RemoteCommandSession['stdout']): OpenFile {
  return openFile({
    description: 'pipe:[client]',
    write: (bytes) =>
      sink.write(bytes).catch(() => {
        throw new BrokenPipe();
      }),
  });
}

/** Feeds the client's stdin into a pipe until either end is gone. */
async function feed(session: RemoteCommandSession, writer: OpenFile): Promise<void> {
  try {
    for (let bytes = await session.stdin.read(); bytes; bytes = await session.stdin.read()) await writer.write(bytes);
  } finally {
    writer.release();
  }
}

/** A reader's or writer's end of a stream is no failure of ours: the command's own end decides. */
function unattended(promise: Promise<unknown>): void {
  promise.catch(() => undefined);
}

async function followSize(session: RemoteCommandSession, tty: Tty): Promise<void> {
  for await (const { width, height } of session.resizes) tty.resize({ columns: width, rows: height });
}

async function typeInto(session: RemoteCommandSession, tty: Tty, options: { endsInput: boolean }): Promise<void> {
  for (let bytes = await session.stdin.read(); bytes; bytes = await session.stdin.read()) tty.type(bytes);
  if (options.endsInput) tty.endInput();
}

function execOnTerminal(container: Container, argv: readonly string[], session: RemoteCommandSession, streams: RemoteCommandStreams): Process {
  const tty = new Tty((bytes) => session.stdout.write(bytes).catch(() => undefined));
  tty.onSignal = (signal) => container.table?.signalTerminal(tty.slave, signal);
  unattended(followSize(session, tty));
  const process = container.exec(argv, new Map([0, 1, 2].map((fd) => [fd, tty.slave])), new Map([['TERM', 'xterm']]));
  if (streams.stdin) unattended(typeInto(session, tty, { endsInput: true }));
  session.signal.addEventListener('abort', () => tty.hangUp(), { once: true });
  return process;
}

function execOnPipes(container: Container, argv: readonly string[], session: RemoteCommandSession, streams: RemoteCommandStreams): Process {
  const pipe = streams.stdin ? createPipe() : undefined;
  const stdin = pipe?.reader ?? nullFile();
  const files = [stdin, streams.stdout ? clientFile(session.stdout) : nullFile(), streams.stderr ? clientFile(session.stderr) : nullFile()];
  try {
    const process = container.exec(argv, new Map(files.map((file, fd) => [fd, file])));
    if (pipe) unattended(feed(session, pipe.writer));
    return process;
  } finally {
    for (const file of files) file.release();
  }
}

/** Serves `exec`: the command runs with the client's streams, its exit code goes back. */
export function execHandler(container: Container, options: { argv: readonly string[]; streams: RemoteCommandStreams; clock: Clock }): StreamHandler {
  const { argv, streams, clock } = options;
  return async (request, stream) => {
    const session = await acceptRemoteCommand(request, { stream, streams, clock });
    if (!session) return;
    try {
      const process = (streams.tty ? execOnTerminal : execOnPipes)(container, argv, session, streams);
      await session.exit({ exitCode: await process.exited });
    } catch (error) {
      if (session.signal.aborted) return;
      const why = error instanceof ExecError ? execError(container, argv[0] ?? '', error) : (error as Error);
      await session.exit({ error: `error executing command in container: ${why.message}` });
    }
  };
}

/** Serves `attach`: the client sees what the container prints from now on, and may type when it has stdin. */
export function attachHandler(container: Container, options: { streams: RemoteCommandStreams; clock: Clock }): StreamHandler {
  const { streams, clock } = options;
  return async (request, stream) => {
    const session = await acceptRemoteCommand(request, { stream, streams, clock });
    if (!session) return;
    const { output, tty, stdin } = container;
    const unsubscribe = output?.subscribe((name, bytes) => {
      if (name === 'stdout' ? !streams.stdout : !streams.stderr) return undefined;
      return session[name].write(bytes).catch(() => undefined);
    });
    if (tty) unattended(followSize(session, tty));
    const once = container.config.stdinOnce ?? false;
    const typed = streams.stdin && tty ? typeInto(session, tty, { endsInput: once }) : streams.stdin && stdin ? attachStdin(session, container, stdin) : undefined;
    const gone = new Promise<void>((resolve) => session.signal.addEventListener('abort', () => resolve(), { once: true }));
    // Who has typed all to a container that others may type to is done, as with containerd.
    const leaves = new Promise<void>((resolve) => void typed?.then(() => (once ? undefined : resolve()), () => undefined));
    await Promise.race([container.whenExited(), gone, leaves]);
    unsubscribe?.();
    if (!session.signal.aborted) await session.exit({ exitCode: 0 });
  };
}

async function attachStdin(session: RemoteCommandSession, container: Container, stdin: OpenFile): Promise<void> {
  for (let bytes = await session.stdin.read(); bytes; bytes = await session.stdin.read()) await stdin.write(bytes);
  if (container.config.stdinOnce) container.closeStdin();
}
