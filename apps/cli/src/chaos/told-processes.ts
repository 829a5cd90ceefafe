import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ToldFaults } from '@orrery/chaos';
import { appliedFile } from '@orrery/node-io';

/** Where the processes of a cluster find what is wrong with them. */
export interface ToldProcesses {
  /** The file that a process follows: its `--faults-file`. */
  fileOf(component: string): string;
  /** Resolves once the process does as it is told. */
  tell(component: string, told: ToldFaults): Promise<void>;
}

/** A process that was just ended is started again within this time. */
const patienceMs = 30_000;
const lookEveryMs = 10;

/** In a directory of the cluster's own; what an earlier run left there is forgotten. */
export function toldProcesses(root: string): ToldProcesses {
  const dir = join(root, 'faults');
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const fileOf = (component: string): string => join(dir, `${component}.json`);
  return {
    fileOf,
    async tell(component, told) {
      const file = fileOf(component);
      writeFileSync(`${file}.new`, JSON.stringify(told), { mode: 0o600 });
      renameSync(`${file}.new`, file);
      const end = performance.now() + patienceMs;
      const isDone = (): boolean => existsSync(appliedFile(file)) && readFileSync(appliedFile(file), 'utf8') === told.revision;
      while (!isDone()) {
        if (performance.now() > end) throw new Error(`${component} was told what is wrong with it, and did not follow within ${patienceMs / 1000} s`);
        await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
      }
    },
  };
}
