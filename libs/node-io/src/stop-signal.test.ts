import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const module = fileURLToPath(new URL('./stop-signal.ts', import.meta.url));
/** Says that it runs, then why it stops, and goes on until it is told again. */
const program = `const { stopSignal, whenAborted } = await import(${JSON.stringify(module)});
const signal = stopSignal(); setInterval(() => {}, 1000); console.log('runs'); await whenAborted(signal); console.log(signal.reason.message);`;

it('stops at the first signal, takes an echo of it as the same wish, and ends at a later one', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  const said = (words: string): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => void (text.includes(words) && resolve());
      child.stdout.on('data', look);
      look();
    });
  child.stdout.on('data', (chunk) => (text += String(chunk)));
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  await said('runs');
  child.kill('SIGINT');
  child.kill('SIGTERM');
  await said('stopped by SIG');
  await new Promise((resolve) => setTimeout(resolve, 1100));
  expect(child.exitCode).toBeNull();
  child.kill('SIGTERM');
  expect(await ended).toBe(130);
});
