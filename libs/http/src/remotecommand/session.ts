import type { ByteReader } from '../byte-stream.ts';

export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

/** How a command ended: its exit code, or why it could not be run. */
export type CommandResult = { readonly exitCode: number } | { readonly error: string };

/** The server's view of one exec or attach, whatever the protocol beneath. */
export interface RemoteCommandSession {
  /** What the client sends; ends with its half-close or the connection. At once over when the command takes no stdin. */
  readonly stdin: ByteReader;
  /** What the client shows; writes reject once it is gone. With a TTY there is no stderr: its writes go to stdout. */
  readonly stdout: { write(bytes: Uint8Array): Promise<void> };
  readonly stderr: { write(bytes: Uint8Array): Promise<void> };
  /** The client's terminal, at the start and whenever it changes. */
  readonly resizes: AsyncIterable<TerminalSize>;
  /** Aborts when the client goes away: end the command or detach from it. */
  readonly signal: AbortSignal;
  /** Tells the client how it ended, flushes, closes. Call it once; then the session is over. */
  exit(result: CommandResult): Promise<void>;
}

/** Which streams the client asked for (`stdin=1&stdout=1&stderr=1&tty=1`). */
export interface RemoteCommandStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** The `metav1.Status` that goes over the error stream from protocol v4 on. */
export function resultStatus(result: CommandResult): string {
  if ('error' in result) return JSON.stringify({ metadata: {}, status: 'Failure', reason: 'InternalError', message: `Internal error occurred: ${result.error}`, details: { causes: [{ message: result.error }] }, code: 500 });
  if (result.exitCode === 0) return JSON.stringify({ metadata: {}, status: 'Success' });
  const causes = [{ reason: 'ExitCode', message: String(result.exitCode) }];
  return JSON.stringify({ metadata: {}, status: 'Failure', reason: 'NonZeroExitCode', message: `command terminated with non-zero exit code: exit status ${result.exitCode}`, details: { causes } });
}

/** Before v4 the error stream carried bare text, and nothing on success. */
export function resultText(result: CommandResult): string {
  if ('error' in result) return result.error;
  return result.exitCode === 0 ? '' : `command terminated with non-zero exit code: exit status ${result.exitCode}`;
}

/** Reads `{"Width":80,"Height":24}` documents, one after the other, as clients send them on the resize stream. */
export async function* parseResizes(reader: ByteReader): AsyncGenerator<TerminalSize> {
  let text = '';
  for (let bytes = await reader.read(); bytes; bytes = await reader.read()) {
    text += Buffer.from(bytes).toString('utf8');
    for (let end = text.indexOf('}'); end >= 0; end = text.indexOf('}')) {
      const size = JSON.parse(text.slice(0, end + 1)) as { Width?: number; Height?: number };
      text = text.slice(end + 1);
      yield { width: size.Width ?? 0, height: size.Height ?? 0 };
    }
  }
}

export const emptyReader: ByteReader = { read: () => Promise.resolve(undefined) };
