import { describe, expect, it } from 'vitest';
import { type AuthorizerQuery, CelError, authorizerType, authorizerValue, compile, dynType, environment, formatType, lazy, toJson } from '../index.ts';
import { outcome } from '../testing/environment.ts';

describe('true are', () => {
  it.each([
    "quantity('1Gi').isGreaterThan(quantity('500Mi')) && quantity('1.5').add(quantity('500m')) == quantity('2') && quantity('5').sub(2) == quantity('3k').sub(quantity('2997')) && quantity('-1').sign() == -1",
    "isQuantity('1k') && !isQuantity('x') && quantity('2k').isInteger() && quantity('2k').asInteger() == 2000 && !quantity('1500m').isInteger() && quantity('1500m').asApproximateFloat() == 1.5 && quantity('1').compareTo(quantity('2')) == -1",
    "ip('127.0.0.1').isLoopback() && ip('::1').isLoopback() && ip('169.254.1.1').isLinkLocalUnicast() && ip('fe80::1').isLinkLocalUnicast() && ip('224.0.0.1').isLinkLocalMulticast() && ip('ff02::1').isLinkLocalMulticast() && ip('0.0.0.0').isUnspecified()",
    "ip('8.8.8.8').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast() && ip('10.0.0.1').family() == 4 && ip('::').family() == 6 && ip('2001:0db8::0001') == ip('2001:db8::1') && string(ip('1:0:0:2:0:0:0:3')) == '1:0:0:2::3'",
    "isIP('1.2.3.4') && !isIP('01.2.3.4') && !isIP('1.2.3') && !isIP('::ffff:1.2.3.4') && !isIP('fe80::1%eth0') && isIP('64:ff9b::1.2.3.4') && !isIP('1::2::3') && !isIP('x') && ip.isCanonical('::1') && !ip.isCanonical('0::1')",
    "cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsIP(ip('11.0.0.1')) && cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.1.0.0/16').containsCIDR(cidr('10.0.0.0/8')) && !cidr('::/0').containsIP('1.2.3.4')",
    "cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && cidr('10.1.2.3/8').ip() == ip('10.1.2.3') && cidr('::/64').prefixLength() == 64 && string(cidr('10.1.2.3/8')) == '10.1.2.3/8' && isCIDR('::/0') && !isCIDR('10.0.0.0/33') && !isCIDR('10.0.0.0/08')",
    "url('https://a.b:81/c%20d?k=v&k=w&e').getHost() == 'a.b:81' && url('https://a.b:81/c%20d').getEscapedPath() == '/c%20d' && url('https://a.b:81/?k=v&k=w').getQuery()['k'] == ['v', 'w'] && url('https://[::1]:80/').getHostname() == '::1' && url('https://[::1]:80/').getPort() == '80'",
    "isURL('https://user@a.b/') && isURL('/path') && !isURL('path') && !isURL('') && !isURL('https://a b/') && isURL('mailto:x') && url('/a b').getEscapedPath() == '/a%20b' && url('HTTP://x').getScheme() == 'http' && url('http://x') == url('http://x')",
    "semver('1.2.3').isLessThan(semver('1.10.0')) && semver('1.0.0-rc.1').isLessThan(semver('1.0.0')) && semver('1.0.0-alpha.2').compareTo(semver('1.0.0-alpha.10')) == -1 && semver('1.0.0+a') == semver('1.0.0+b')",
    "semver('v1.2', true).minor() == 2 && semver('01.002.3', true).major() == 1 && semver('1.2.3').patch() == 3 && isSemver('1.0.0') && !isSemver('v1.0.0') && isSemver('v1.0', true) && !isSemver('1.0.0-01')",
    "!format.dns1123Label().validate('abc').hasValue() && format.dns1123Label().validate('A').value().size() == 1 && format.named('uuid').hasValue() && !format.named('other').hasValue()",
    "!format.dns1035LabelPrefix().validate('abc-').hasValue() && format.dns1035Label().validate('abc-').hasValue() && format.labelValue().validate('a b').hasValue() && !format.qualifiedName().validate('a.b/c').hasValue() && format.uri().validate('x').value()[0] == 'parse \"x\": invalid URI for request'",
    "format.date().validate('2026-02-30').value() == ['invalid date'] && !format.datetime().validate('2026-01-01T00:00:00Z').hasValue() && !format.byte().validate('aGk=').hasValue() && format.uuid().validate('x').value() == ['does not match the UUID format'] && format.dns1123Subdomain() == format.named('dns1123Subdomain').value()",
    "'a12b'.find('[0-9]+') == '12' && 'a'.find('[0-9]') == '' && 'a1b2'.findAll('[0-9]') == ['1', '2'] && 'a1b2'.findAll('[0-9]', 1) == ['1']",
    "type(ip('::')) == net.IP && type(quantity('1')) == kubernetes.Quantity && type(url('/')) == kubernetes.URL && type(semver('1.0.0')) == kubernetes.Semver",
  ])('%.80s', (source) => expect(outcome(source)).toBe(true));
});

it.each<[string, string]>([
  ["ip('x').family() == 4", 'IP Address "x" parse error during conversion from string: ParseAddr("x"): unable to parse IP'],
  ["ip('1.2.3.256').family() == 4", 'IP Address "1.2.3.256" parse error during conversion from string: ParseAddr("1.2.3.256"): IPv4 field has value >255'],
  ["cidr('1.2.3.4').prefixLength() == 1", 'network address parse error during conversion from string: netip.ParsePrefix("1.2.3.4"): no \'/\''],
  ["url('x').getHost() == ''", 'URL parse error during conversion from string: parse "x": invalid URI for request'],
  ["semver('1').major() == 1", 'No Major.Minor.Patch elements found'],
  ["quantity('1500m').asInteger() == 1", 'cannot convert value to integer'],
  ["authorizer.path(' ').check('get').allowed()", 'path must not be empty'],
  ["authorizer.serviceAccount('ns', 'A').path('/').check('get').allowed()", 'Invalid service account name'],
])('%s runs into: %s', (source, message) => expect(outcome(source, { bindings: { authorizer: authorizerValue(() => ({ decision: 'allow', reason: '' })) } })).toBe(`runtime: ${message}`));

describe('an authorizer', () => {
  const env = environment({ variables: { authorizer: authorizerType } });
  const request = { group: 'apps', resource: 'deployments', subresource: '', namespace: 'ns', name: 'web' };
  const source = "authorizer.group('').resource('pods').subresource('log').namespace('a').name('b').fieldSelector('x=y').labelSelector('l').check('get').allowed() && authorizer.serviceAccount('ns', 'sa').path('/healthz').check('get').reason() == 'fine' && !authorizer.requestResource.check('delete').allowed()";
  const asked: AuthorizerQuery[] = [];
  const answer = (query: AuthorizerQuery): { decision: 'allow' | 'deny'; reason: string } => {
    asked.push(query);
    return query.verb === 'get' ? { decision: 'allow', reason: 'fine' } : { decision: 'deny', reason: 'no' };
  };

  it('is asked what the expression says', () => {
    asked.length = 0;
    expect(outcome(source, { env, bindings: { authorizer: authorizerValue(answer, request) }, costBudget: 2_000_000 })).toBe(true);
    expect(asked).toEqual([
      { group: '', resource: 'pods', subresource: 'log', namespace: 'a', name: 'b', fieldSelector: 'x=y', labelSelector: 'l', verb: 'get' },
      { group: '', resource: '', subresource: '', namespace: '', name: '', serviceAccount: { namespace: 'ns', name: 'sa' }, path: '/healthz', verb: 'get' },
      { ...request, verb: 'delete' },
    ]);
  });

  it('may answer later, and is asked once', async () => {
    asked.length = 0;
    const { program } = compile(source, env);
    const authorizer = authorizerValue((query) => Promise.resolve(answer(query)), request);
    expect(program?.evaluate({ authorizer }).error?.kind).toBe('pending');
    expect(await program?.evaluateAsync({ authorizer }, { costBudget: 2_000_000 })).toMatchObject({ value: true });
    expect(asked.length).toBe(3);
  });

  it('has room for two checks', () => {
    expect(outcome("authorizer.path('/a').check('get').allowed() && authorizer.path('/b').check('get').allowed() && authorizer.path('/c').check('get').allowed()", { env, bindings: { authorizer: authorizerValue(answer) } })).toBe('cost: operation cancelled: actual cost limit exceeded');
  });

  it('may fail', () => {
    const bindings = { authorizer: authorizerValue(() => ({ decision: 'noOpinion', reason: '', error: 'down' })) };
    expect(outcome("authorizer.path('/a').check('get').errored() && authorizer.path('/a').check('get').error() == 'down' && !authorizer.path('/a').check('get').allowed()", { env, bindings, costBudget: 2_000_000 })).toBe(true);
    expect(outcome('authorizer.requestResource.check("get").allowed()', { env, bindings })).toBe('runtime: no such attribute(s): authorizer.requestResource');
  });
});

describe('patches', () => {
  const env = environment({ variables: { object: dynType }, libraries: { jsonPatch: true, objectConstruction: true, bindings: true } });
  const made = (source: string): unknown => {
    const { program, failure } = compile(source, env);
    if (!program) return failure.text;
    const { value, error } = program.evaluate({ object: { spec: { replicas: 3 } } });
    return error ? error.message : [formatType(program.resultType), toJson(value)];
  };

  it.each<[string, unknown]>([
    ["[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a~b/c'), value: 'x'}]", ['list(JSONPatch)', [{ op: 'add', path: '/metadata/labels/a~0b~1c', value: 'x' }]]],
    ["Object{spec: Object.spec{replicas: object.spec.replicas + 1, template: Object.spec.template{?x: object.?y, list: [dyn(1u), 2.5], none: null}}}", ['Object', { spec: { replicas: 4, template: { list: [1, 2.5], none: null } } }]],
    ["JSONPatch{op: 1}", "ERROR: <input>:1:13: expected type of field 'op' is 'string' but provided type is 'int'\n | JSONPatch{op: 1}\n | ............^"],
    ["JSONPatch{odd: 1}", "ERROR: <input>:1:14: undefined field 'odd'\n | JSONPatch{odd: 1}\n | .............^"],
    ["Other{}", "ERROR: <input>:1:6: undeclared reference to 'Other' (in container '')\n | Other{}\n | .....^"],
  ])('%s', (source, wanted) => expect(made(source)).toEqual(wanted));

  it('bind names where that is on', () => expect(made('cel.bind(x, object.spec.replicas * 2, [x, x])')).toEqual(['list(int)', [6, 6]]));
});

it('reads what is bound when it is first needed', () => {
  const env = environment({ variables: { a: dynType, b: dynType } });
  const fails = lazy(() => {
    throw new CelError('not there');
  });
  const { program } = compile('a.x == 1 || b == 2', env);
  expect(program?.evaluate({ a: { x: lazy(() => 1n) }, b: fails })).toMatchObject({ value: true });
  expect(program?.evaluate({ a: { x: lazy(() => 2n) }, b: fails })).toMatchObject({ error: { message: 'not there' } });
});
