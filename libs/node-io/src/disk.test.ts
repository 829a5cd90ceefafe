import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeDisk } from './disk.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'orrery-disk-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('disk', () => {
  it('appends more chunks than one system call takes, cuts, and goes on', async () => {
    const path = `${dir}/a/b/log`;
    await nodeDisk.makeDir(`${dir}/a/b`);
    const file = await nodeDisk.open(path, { create: true });
    await file.append(Array.from({ length: 3000 }, (_, i) => Buffer.from(String(i % 10))));
    await file.sync();
    expect(file.size).toBe(3000);
    await file.truncate(5);
    await file.append([Buffer.from('xy')]);
    await file.close();
    const again = await nodeDisk.open(path, { create: false });
    expect([again.size, Buffer.from(await nodeDisk.read(path)).toString()]).toEqual([7, '01234xy']);
    await again.close();
    await expect(nodeDisk.open(path, { create: true })).rejects.toMatchObject({ code: 'EEXIST' });
    if (process.platform !== 'win32') expect([statSync(path).mode & 0o777, statSync(`${dir}/a`).mode & 0o777]).toEqual([0o600, 0o700]);
  });
});

describe('journal', () => {
  it('holds what was appended, whatever the sizes, followed by nothing but zeros until it is closed', async () => {
    const path = `${dir}/journal`;
    const file = await nodeDisk.open(path, { create: true, journal: true });
    let expected = Buffer.alloc(0);
    for (let i = 0; i < 60; i++) {
      const piece = Buffer.alloc(i % 17 === 0 ? 300_000 : 1 + ((i * 7919) % 5000), 1 + (i % 255));
      if (i % 3 || file.appendNow?.(piece) !== true) await file.append([piece.subarray(0, 10), piece.subarray(10)]);
      await file.sync();
      expected = Buffer.concat([expected, piece]);
      expect(file.size).toBe(expected.length);
      const found = Buffer.from(await nodeDisk.read(path));
      expect(found.subarray(0, expected.length).equals(expected)).toBe(true);
      expect(found.subarray(expected.length).equals(Buffer.alloc(found.length - expected.length))).toBe(true);
    }
    await file.close();
    expect(Buffer.from(await nodeDisk.read(path)).equals(expected)).toBe(true);
  });

  it('goes on after a cut', async () => {
    const path = `${dir}/journal`;
    const file = await nodeDisk.open(path, { create: true, journal: true });
    await file.append([Buffer.from('whole, then torn')]);
    await file.close();
    const again = await nodeDisk.open(path, { create: false, journal: true });
    expect(again.size).toBe(16);
    await again.truncate(5);
    await again.append([Buffer.from('!')]);
    await again.sync();
    await again.close();
    expect(Buffer.from(await nodeDisk.read(path)).toString()).toBe('whole!');
    await expect(nodeDisk.open(path, { create: true, journal: true })).rejects.toMatchObject({ code: 'EEXIST' });
  });
});

describe('lock', () => {
  const path = (): string => join(dir, 'LOCK');

  it('refuses a second holder, and names the first', async () => {
    const lock = await nodeDisk.lock(path());
    await expect(nodeDisk.lock(path())).rejects.toThrow(`is in use by process ${process.pid}`);
    await lock.release();
    await (await nodeDisk.lock(path())).release();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('takes over from a dead process', async () => {
    const { pid } = spawnSync('true');
    writeFileSync(path(), `${pid} 12345\n`);
    await (await nodeDisk.lock(path())).release();
  });

  it.skipIf(process.platform !== 'linux')('takes over from a dead process whose pid runs something else now', async () => {
    writeFileSync(path(), `${process.pid} 1\n`);
    await (await nodeDisk.lock(path())).release();
    writeFileSync(path(), `${process.ppid} 1\n`);
    await (await nodeDisk.lock(path())).release();
  });

  // The child runs the source itself.
  it.skipIf(Number(process.versions.node.split('.')[0]) < 24)('lets exactly one of many processes take over, every time', async () => {
    const script = join(dir, 'race.ts');
    const url = JSON.stringify(new URL('./disk-lock.ts', import.meta.url).href);
    // All take the lock at the same moment and hold it for a while: a second holder at any time is a failure.
    writeFileSync(
      script,
      `import { once } from 'node:events';
       import { lockFile } from ${url};
       console.log('here');
       const [at] = await once(process.stdin, 'data');
       for (let round = 0; round < 20; round++) {
         while (Date.now() < Number(at) + round * 40);
         try { await lockFile(process.argv[2] + round); console.log(round); } catch (error) { if (error.name !== 'DiskLockedError') throw error; }
       }
       console.log('done');
       await once(process.stdin, 'end');`,
    );
    const dead = spawnSync('true').pid;
    for (let round = 0; round < 20; round++) writeFileSync(path() + round, `${dead} 12345 x\n`);
    const runs = Array.from({ length: 4 }, () => {
      const child = spawn(process.execPath, [script, path()], { stdio: ['pipe', 'pipe', 'inherit'] });
      const run = { child, out: '', closed: once(child, 'close') };
      child.stdout.on('data', (text) => (run.out += text));
      return run;
    });
    const all = (word: string) => expect.poll(() => runs.every(({ out }) => out.includes(word))).toBe(true);
    // All are there before they begin, and stay until the last has done: the lock of one that is gone is free, and rightly so.
    await all('here');
    const at = String(Date.now() + 200);
    for (const { child } of runs) child.stdin.write(at);
    await all('done');
    for (const { child } of runs) child.stdin.end();
    await Promise.all(runs.map(({ closed }) => closed));
    const rounds = runs.flatMap(({ out }) => out.match(/^\d+$/gm) ?? []).map(Number).sort((a, b) => a - b);
    expect(rounds).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });
});
