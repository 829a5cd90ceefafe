import { textOrFile } from '@orrery/node-io/text-file';
import type { Env } from '@orrery/runtime';

const periodMs = 5_000;

/** Reads a configuration file again every few seconds and hands on what has changed; a file that cannot be read or used leaves things as they are. */
export function followFile(env: Env, file: { readonly path: string; readonly text: string; readonly apply: (text: string) => void }, signal: AbortSignal): void {
  let last = file.text;
  const timer = env.clock.every(periodMs, () => {
    try {
      const text = textOrFile(file.path);
      if (text === last) return;
      last = text;
      file.apply(text);
      env.log.info('configuration file changed', { path: file.path });
    } catch (error) {
      env.log.error('configuration file cannot be used; the last good one stays', { path: file.path, error });
    }
  });
  signal.addEventListener('abort', () => timer.cancel(), { once: true });
}
