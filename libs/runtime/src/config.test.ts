import { expect, test } from 'vitest';
import { type ConfigSchema, configHelp, parseFlags, resolveConfig } from './config.ts';
import { originalFlags } from './original-flags.ts';
import { servingFlags } from './serving-flags.ts';

const schema = {
  v: { type: 'number', default: 0, help: 'verbosity' },
  leaderElect: { type: 'boolean', default: true, help: 'lead' },
  gracePeriod: { type: 'duration', default: '50s', help: 'patience' },
  names: { type: 'list', default: [], help: 'names' },
  ...servingFlags({ port: 10259, tolerateLookupFailure: true }),
  ...originalFlags,
} as const satisfies ConfigSchema;
const read = (...argv: string[]) => resolveConfig(schema, [parseFlags(schema, argv)]);

test.each([
  [['-v=4'], { v: 4 }],
  [['-v', '2', '--leader-elect=F'], { v: 2, leaderElect: false }],
  [['--leader-elect=True', '--grace-period=1m30s'], { leaderElect: true, gracePeriod: '1m30s' }],
  [['--names', 'a', '--names=b,c'], { names: ['a', 'b', 'c'] }],
  [['--profiling=false', '--secure-port=0', '--logging-format=json', '--disabled-metrics='], { profiling: false, securePort: 0 }],
])('%j', (argv, expected) => expect(read(...argv)).toMatchObject(expected));

test.each([
  [['--grace-period=50'], '--grace-period: time: missing unit in duration "50"'],
  [['--leader-elect=maybe'], '--leader-elect takes true or false, not "maybe"'],
  [['--tls-sni-cert-key=a'], '--tls-sni-cert-key is not supported: there is one certificate for all names'],
  [['--tls-min-version=1.2'], '--tls-min-version takes one of '],
  [['--disabled-metrics=a,b'], '--disabled-metrics is not supported: every metric is exposed'],
  [['--logging-format=xml'], '--logging-format takes one of text, json, not "xml"'],
  [['--unheard-of'], 'unknown flag --unheard-of; see --help'],
  [['-x'], 'unknown flag -x; see --help'],
])('%j is refused', (argv, message) => expect(() => read(...argv)).toThrow(message));

test('help says what is not supported, and why', () => {
  expect(configHelp(schema)).toMatch(/--tls-sni-cert-key a,b,… .* \(not supported: there is one certificate/);
});
