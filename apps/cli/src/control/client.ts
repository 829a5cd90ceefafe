import { request } from 'node:http';
import { ExitCode, UserError } from '../user-error.ts';

export interface ControlCall {
  readonly path: string;
  readonly body?: unknown;
  /** Called with each line of the answer as it comes. */
  readonly onLine?: (line: unknown) => void;
}

/** Asks a running cluster over its control socket; resolves with the last line of the answer. */
export function askCluster(socketPath: string, { path, body, onLine }: ControlCall): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, method: body === undefined ? 'GET' : 'POST' }, (response) => {
      let rest = '';
      let last: unknown;
      const take = (line: string): void => {
        if (line === '') return;
        last = JSON.parse(line);
        onLine?.(last);
      };
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        lines.forEach(take);
      });
      response.on('end', () => {
        take(rest);
        const { error } = (last ?? { error: 'the cluster ended before it was done' }) as { error?: string };
        if (error) reject(new UserError(error));
        else resolve(last);
      });
    });
    call.on('error', (error) => reject(new UserError(`the cluster does not answer on ${socketPath}: ${error.message}`, ExitCode.failed)));
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
