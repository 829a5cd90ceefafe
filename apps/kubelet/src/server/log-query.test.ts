import { VirtualClock, silentLogger } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { createJournal } from '../logs/journal.ts';
import { serving } from './serving-fixture.ts';

const on = { configuration: { enableSystemLogQuery: true } };

/** A node whose kubelet has said three things, a minute apart, and where another service writes files. */
async function node(deps: object = on) {
  const clock = new VirtualClock({ startMs: Date.UTC(2026, 0, 2, 3, 4, 5, 6) });
  const journal = createJournal(clock, silentLogger);
  const startMs = clock.now();
  for (const [level, text] of [['info', 'began'], ['warn', 'a Plug-in went'], ['debug', 'nothing'], ['error', 'began again']] as const) {
    journal.log.child({ component: 'kubelet' })[level](text, { n: 1 });
    await clock.advance(60_000);
  }
  const f = await serving({ may: () => true, deps: { ...deps, journal } });
  const file = (path: string) => f.host.writeFile(path, { bytes: Buffer.from(`${path}\n`), mode: 0o644 });
  for (const path of ['/var/log/proxy.log', '/var/log/deep/deep.log', '/var/log/plain', '/etc/shadow']) await file(path);
  const at = (minutes: number): string => new Date(startMs + minutes * 60_000).toISOString();
  return { ...f, at, startMs };
}

const messages = (text: string): string[] => text.split('\n').flatMap((line) => /"msg":"([^"]*)"/.exec(line)?.[1] ?? []);

test.each<[string, string[]]>([
  ['', ['began', 'a Plug-in went', 'began again']],
  ['&tailLines=1', ['began again']],
  ['&tailLines=0', []],
  ['&pattern=plug-in', ['a Plug-in went']],
  ['&pattern=PLUG', []],
  ['&pattern=began$|"began"', ['began']],
  ['&sinceTime=1', ['a Plug-in went', 'began again']],
  ['&untilTime=2', ['began', 'a Plug-in went']],
  ['&sinceTime=1&untilTime=2', ['a Plug-in went']],
])('what the kubelet said, by query=kubelet%s', async (options, expected) => {
  const f = await node();
  const query = options.replace(/(Time=)(\d)/g, (_, name: string, minutes: string) => `${name}${f.at(Number(minutes) - 0.5)}`);
  const { status, body } = await f.get(`/logs/?query=kubelet${query}`);
  expect([status, messages(body)]).toEqual([200, expected]);
  if (!expected.length) expect(body).toBe('-- No entries --\n');
});

test('a line begins with the time, the node and the program', async () => {
  const f = await node();
  const at = new Date(f.startMs).toISOString();
  const { body } = await f.get('/logs/?query=kubelet');
  expect(body.split('\n')[0]).toBe(`Jan 02 03:04:05.006000 node-1 kubelet: {"time":"${at}","level":"info","msg":"began","component":"kubelet","n":1}`);
});

test.each<[string, number, string]>([
  ['query=proxy', 200, '/var/log/proxy.log\n'],
  ['query=deep', 200, '/var/log/deep/deep.log\n'],
  ['query=plain&query=none', 200, '/var/log/plain\n\nlog not found for none\n'],
  ['query=proxy&tailLines=1', 200, '\noptions present and query resolved to log files for [proxy]\ntry without specifying options\n'],
  ['query=/proxy.log', 200, '/var/log/proxy.log\n'],
  ['query=/../../etc/shadow', 404, '404 page not found\n'],
  ['query=deep%5Cdeep.log', 200, '/var/log/deep/deep.log\n'],
  ['query=kubelet&boot=-1', 200, 'No journal boot entry found from the specified boot offset (-1).\n'],
  ['query=%20', 400, 'query: Invalid value: [" "]: query cannot be empty\n'],
  ['query=kubelet&tailLines=x&sinceTime=now', 400, '[sinceTime: Invalid value: "now": invalid time format, tailLines: Invalid value: "x": strconv.Atoi: parsing "x": invalid syntax]\n'],
  ['tailLines=1', 406, 'query: Required value: cannot be empty with options\n'],
  ['query=a&query=/b', 406, 'query: Invalid value: "[/b], [a]": cannot specify a file and service\n'],
  ['query=/a&query=/b', 406, 'query: Invalid value: ["/a","/b"]: cannot specify more than one file\n'],
  ['query=/a&boot=0', 406, 'query: Invalid value: ["/a"]: cannot specify file with options\n'],
  ['query=/none', 406, 'query: Invalid value: ["/none"]: stat /var/log/none: no such file or directory\n'],
  ['query=a;b', 406, 'query: Invalid value: "a;b": input contains unsupported characters\n'],
  ['query=a&query=b&query=c&query=d&query=e', 406, 'query: Too many: 5: must have at most 4 items\n'],
  ['query=kubelet&boot=1', 406, 'boot: Invalid value: 1: must be less than 1\n'],
  ['query=kubelet&tailLines=100001', 406, 'tailLines: Invalid value: 100001: must be between 0 and 100000, inclusive\n'],
  ['query=kubelet&pattern=(', 406, 'pattern: Invalid value: "(": error parsing regexp: invalid syntax\n'],
  ['query=kubelet&sinceTime=2026-01-02T00:00:00Z&untilTime=2026-01-01T00:00:00Z', 406, 'untilTime: Invalid value: "2026-01-01T00:00:00Z": must be after `sinceTime`\n'],
])('the query %s is answered %i', async (query, status, body) => {
  expect(await (await node()).get(`/logs/?${query}`)).toEqual({ status, body });
});

test('a path goes without a query; unless it is switched on no query means anything', async () => {
  const f = await node();
  expect(await f.get('/logs/proxy.log?query=kubelet')).toEqual({ status: 406, body: 'path not allowed in query mode\n' });
  expect(await f.get('/logs/proxy.log')).toEqual({ status: 200, body: '/var/log/proxy.log\n' });
  const off = await node({});
  expect((await off.get('/logs/?query=kubelet')).body).toContain('<a href="proxy.log">');
});
