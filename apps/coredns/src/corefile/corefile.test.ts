import { describe, expect, it } from 'vitest';
import { instanceOf } from '../testing/ask.ts';
import { tokenize } from './lexer.ts';
import { parseCorefile } from './parser.ts';
import { normalizeZone, parseAddress } from './zones.ts';

const nothing = { readFiles: () => [], environment: () => undefined };
const directives = (text: string, source = nothing as Parameters<typeof parseCorefile>[1]): string[] =>
  parseCorefile({ file: 'Corefile', text }, source, () => true).map(({ keys, directives: lines }) => `${keys.map((key) => key.text).join(' ')}: ${lines.map((line) => [line.name, ...line.args].map((word) => word.text).join(' ') + (line.block.length ? ` {${line.block.map((inner) => inner.name.text).join(';')}}` : '')).join(', ')}`);

describe('the words of a Corefile', () => {
  it.each([
    ['a b\n"c d" # e\nf#g', ['a', 'b', 'c d', 'f']],
    ['"a \\"b\\" \\d"', ['a "b" \\d']],
    ['{$HOME}/x {%HOME%}', ['/root/x', '/root']],
  ])('%j', (text, wanted) => expect(tokenize({ file: 'f', text }, () => '/root').map((token) => token.text)).toEqual(wanted));
});

describe('the grammar of a Corefile', () => {
  it.each([
    ['.:53 {\n errors\n forward . 1.1.1.1 {\n  policy random\n }\n}', ['.:53: errors, forward . 1.1.1.1 {policy}']],
    ['a.org, b.org:1053,\nc.org {\n log\n}\n. {\n}', ['a.org b.org:1053 c.org: log', '.: ']],
    ['example.org\nerrors\nlog', ['example.org: errors, log']],
    ['(snip) {\n errors\n log x\n}\na {\n import snip\n}\nb {\n import snip\n whoami\n}', ['a: errors, log x', 'b: errors, log x, whoami']],
    ['# nothing\n', []],
  ])('%j', (text, wanted) => expect(directives(text)).toEqual(wanted));

  it('imports files', () => {
    const source = { environment: () => undefined, readFiles: (pattern: string) => (pattern === 'more/*.conf' ? [{ file: 'more/a.conf', text: 'errors' }, { file: 'more/b.conf', text: 'log' }] : []) };
    expect(directives('. {\n import more/*.conf\n}', source)).toEqual(['.: errors, log']);
    expect(() => directives('. {\n import gone\n}', source)).toThrow('Corefile:2 - Error during parsing: File to import not found: gone');
  });
});

describe('mistakes in a Corefile are told with their place', () => {
  it.each([
    ['. {\n  foo\n}', "Corefile:2 - Error during parsing: Unknown directive 'foo'"],
    ['. {\n  errors\n', 'Corefile:2 - Error during parsing: Unexpected EOF'],
    ['a, {\n}', "Corefile:1 - Error during parsing: Expected another address but had '{' - check for extra comma"],
    ['. {\n kubernetes {\n  pods\n }\n}', "plugin/kubernetes: Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after 'pods'"],
    ['. {\n kubernetes {\n  pods maybe\n }\n}', 'plugin/kubernetes: Corefile:3 - Error during parsing: wrong value for pods: maybe,  must be one of: disabled, verified, insecure'],
    ['. {\n kubernetes {\n  ttl 4000\n }\n}', 'plugin/kubernetes: Corefile:3 - Error during parsing: ttl must be in range [0, 3600]: 4000'],
    ['. {\n kubernetes {\n  color\n }\n}', "plugin/kubernetes: Corefile:3 - Error during parsing: unknown property 'color'"],
    ['. {\n kubernetes in-addr.arpa\n}', 'plugin/kubernetes: Corefile:2 - Error during parsing: non-reverse zone name must be used'],
    ['. {\n forward .\n}', "plugin/forward: Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after '.'"],
    ['. {\n forward . nowhere\n}', 'plugin/forward: Corefile:2 - Error during parsing: not an IP address or file: "nowhere"'],
    ['. {\n forward . 1.1.1.1 {\n policy best\n}\n}', "plugin/forward: Corefile:3 - Error during parsing: unknown policy 'best'"],
    ['. {\n forward . https://1.1.1.1\n}', "plugin/forward: Corefile:2 - Error during parsing: 'https' is not supported as a destination protocol in forward: https://1.1.1.1"],
    ['. {\n cache 0\n}', 'plugin/cache: Corefile:2 - Error during parsing: cache TTL can not be zero or negative: 0'],
    ['. {\n cache {\n prefetch 1 1m 5%\n}\n}', 'plugin/cache: Corefile:3 - Error during parsing: percentage should fall in range [10, 90]: 5'],
    ['. {\n errors\n errors\n}', 'plugin/errors: Corefile:3 - Error during parsing: this plugin can only be used once per Server Block'],
    ['. {\n rewrite color a b\n}', 'plugin/rewrite: Corefile:2 - Error during parsing: invalid rule type "color"'],
    ['. {\n template IN A {\n answer "{{ .Nope }}"\n}\n}', 'plugin/template: Corefile:3 - Error during parsing: could not compile template: {{ .Nope }}, template: unsupported expression ".Nope"'],
    ['. {\n log {\n class some\n}\n}', 'plugin/log: Corefile:3 - Error during parsing: invalid class some'],
    ['.:53 .:53 {\n whoami\n}', 'Corefile:1 - Error during parsing: cannot serve dns://.:53 - it is already defined'],
    ['. {\n acl {\n block net 10.0.0.0/99\n}\n}', 'plugin/acl: Corefile:3 - Error during parsing: illegal CIDR notation "10.0.0.0/99"'],
    ['tls://. {\n whoami\n}', "Corefile:1 - Error during parsing: transport 'tls' is not supported by this server: tls://."],
  ])('%j', (text, message) => expect(() => instanceOf(text)).toThrow(message));
});

describe('zones', () => {
  it.each([
    ['Example.ORG.', ['example.org']],
    ['.', ['']],
    ['10.1.0.0/16', ['1.10.in-addr.arpa']],
    ['10.0.0.0/9', Array.from({ length: 128 }, (_, i) => `${i}.10.in-addr.arpa`)],
    ['2001:db8::/32', ['8.b.d.0.1.0.0.2.ip6.arpa']],
  ])('%s is %j', (text, wanted) => expect(normalizeZone(text)).toEqual(wanted));

  it.each([
    ['example.org:1053', [{ zone: 'example.org', port: 1053 }]],
    ['dns://.:54', [{ zone: '', port: 54 }]],
    ['10.0.0.0/24', [{ zone: '0.0.10.in-addr.arpa', port: 53 }]],
  ])('%s listens at %j', (text, wanted) => expect(parseAddress({ text, file: 'f', line: 1 })).toEqual(wanted));
});
