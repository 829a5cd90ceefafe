import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { realRandom, replaceFile } from '@orrery/node-io';
import type { DataDir } from '../data-dir.ts';
import { readJson } from '../read-json.ts';
import { ExitCode, UserError } from '../user-error.ts';
import { freePorts } from './free-ports.ts';

/** One store of several: its name, its own directory, and where the others reach it. */
export interface StoreMember {
  readonly name: string;
  readonly dataDir: string;
  readonly peerPort: number;
}

const membersFile = (dir: DataDir): string => join(dir.root, 'stores.json');

/** Whether the data directory is that of several stores. */
export function hasStoreMembers(dir: DataDir): boolean {
  return existsSync(membersFile(dir));
}

function savedPorts(dir: DataDir): number[] {
  const advice = `put it back: {"peerPorts":[…]}, the ports at which its ${countOf(dir)} know each other`;
  const { peerPorts } = (readJson(membersFile(dir), advice) ?? {}) as { peerPorts?: unknown };
  if (Array.isArray(peerPorts) && peerPorts.length > 0 && peerPorts.every(Number.isInteger)) return peerPorts as number[];
  throw new UserError(`${membersFile(dir)} is damaged: ${advice}`);
}

const countOf = (dir: DataDir): string => `${existsSync(dir.store) ? readdirSync(dir.store).length : 0} stores`;

function refuse(dir: DataDir, there: number, wanted: number): never {
  throw new UserError(`${dir.root} holds a cluster of ${there} store${there === 1 ? '' : 's'}, which --stores=${wanted} cannot change; leave the flag out or take another --data-dir`, ExitCode.usage);
}

/**
 * The stores of a cluster, where there are several; none for a store alone. Members know each other by their ports for good, so these are
 * kept in the data directory, and `wanted` (undefined: as it is, one in a new directory) must agree with it.
 */
export async function storeMembers(dir: DataDir, wanted: number | undefined): Promise<readonly StoreMember[]> {
  const ports = hasStoreMembers(dir) ? savedPorts(dir) : undefined;
  if (ports) {
    if (wanted !== undefined && wanted !== ports.length) refuse(dir, ports.length, wanted);
    return members(dir, ports);
  }
  if (wanted === undefined || wanted === 1) return [];
  if (existsSync(dir.store) && readdirSync(dir.store).length > 0) refuse(dir, 1, wanted);
  const peerPorts = await freePorts(wanted, realRandom);
  replaceFile(membersFile(dir), `${JSON.stringify({ peerPorts })}\n`);
  return members(dir, peerPorts);
}

function members(dir: DataDir, peerPorts: readonly number[]): StoreMember[] {
  return peerPorts.map((peerPort, i) => ({ name: `store-${i + 1}`, dataDir: join(dir.store, String(i + 1)), peerPort }));
}
