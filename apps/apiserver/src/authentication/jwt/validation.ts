import { FieldPath } from '@orrery/api/field-path';
import { dns1123Subdomain } from '@orrery/apimachinery';
import type { FieldError } from '@orrery/errors';
import { certificateProblem } from '@orrery/node-io/pki';
import type { AuthenticationConfiguration, ClaimRule, JwtAuthenticator, Mapping } from './configuration.ts';
import { compileExpression, resultTypes } from './expressions.ts';

const maxAuthenticators = 64;

function checkUrl(url: string, at: FieldPath, disallowed: readonly string[]): void {
  if (disallowed.includes(url)) at.invalid(url, `URL must not overlap with disallowed issuers: [${[...disallowed].sort().join(' ')}]`);
  if (!URL.canParse(url)) return at.invalid(url, 'URL is invalid');
  const { protocol, username, password, search, hash } = new URL(url);
  if (protocol !== 'https:') at.invalid(url, 'URL scheme must be https');
  if (username || password) at.invalid(url, 'URL must not contain a username or password');
  if (search) at.invalid(url, 'URL must not contain a query');
  if (hash) at.invalid(url, 'URL must not contain a fragment');
}

function checkAudiences({ audiences = [], audienceMatchPolicy: policy = '' }: Partial<JwtAuthenticator['issuer']>, at: FieldPath): void {
  const path = at.child('audiences');
  if (!audiences.length) return path.required(`at least one ${path.path} is required`);
  for (const [i, audience] of audiences.entries()) {
    if (!audience) path.at(i).required("audience can't be empty");
    if (audiences.indexOf(audience) < i) path.at(i).duplicate(audience);
  }
  if (audiences.length > 1 && policy !== 'MatchAny') at.child('audienceMatchPolicy').invalid(policy, 'audienceMatchPolicy must be MatchAny for multiple audiences');
  if (audiences.length === 1 && policy && policy !== 'MatchAny') at.child('audienceMatchPolicy').invalid(policy, 'audienceMatchPolicy must be empty or MatchAny for single audience');
}

function checkIssuer(issuer: Partial<JwtAuthenticator['issuer']>, at: FieldPath, disallowed: readonly string[]): void {
  const { url = '', discoveryURL = '', certificateAuthority = '', egressSelectorType = '' } = issuer;
  if (!url) at.child('url').required('URL is required');
  else checkUrl(url, at.child('url'), disallowed);
  if (discoveryURL) {
    const path = at.child('discoveryURL');
    const bare = (text: string): string => text.replace(/\/+$/, '');
    if (url && bare(url) === bare(discoveryURL)) path.invalid(discoveryURL, 'discoveryURL must be different from URL');
    checkUrl(discoveryURL, path, []);
  }
  checkAudiences(issuer, at);
  const problem = certificateAuthority && certificateProblem(certificateAuthority);
  if (problem) at.child('certificateAuthority').invalid('<omitted>', problem);
  if (egressSelectorType && !['controlplane', 'cluster'].includes(egressSelectorType)) at.child('egressSelectorType').invalid(egressSelectorType, 'egress selector must be either controlplane or cluster');
}

function checkExpression(source: string, at: FieldPath, sort: { subject: 'claims' | 'user'; types: Parameters<typeof compileExpression>[2] }): void {
  const { problem } = compileExpression(source, sort.subject, sort.types);
  if (problem) at.invalid(source, problem);
}

function checkClaimRule(rule: ClaimRule, at: FieldPath, seen: { claims: Set<string>; expressions: Set<string> }): void {
  const { claim = '', expression = '', message = '', requiredValue = '' } = rule;
  if (claim && expression) return at.invalid(claim, "claim and expression can't both be set");
  if (!claim && !expression) return at.required('claim or expression is required');
  if (claim) {
    if (message) at.child('message').invalid(message, "message can't be set when claim is set");
    if (seen.claims.has(claim)) at.child('claim').duplicate(claim);
    seen.claims.add(claim);
    return;
  }
  if (requiredValue) at.child('requiredValue').invalid(requiredValue, "requiredValue can't be set when expression is set");
  if (seen.expressions.has(expression)) return at.child('expression').duplicate(expression);
  seen.expressions.add(expression);
  checkExpression(expression, at.child('expression'), { subject: 'claims', types: resultTypes.rule.types });
}

function checkMapping(mapping: Mapping | undefined, at: FieldPath, sort: { required: boolean; types: Parameters<typeof compileExpression>[2] }): void {
  const { claim = '', expression = '', prefix } = mapping ?? {};
  if (claim && expression) return at.invalid('', "claim and expression can't both be set");
  if (!claim && !expression) return sort.required ? at.required('claim or expression is required') : undefined;
  if (claim) return prefix === undefined || prefix === null ? at.child('prefix').required('prefix is required when claim is set. It can be set to an empty string to disable prefixing') : undefined;
  if (prefix !== undefined && prefix !== null) at.child('prefix').invalid(prefix, "prefix can't be set when expression is set");
  checkExpression(expression, at.child('expression'), { subject: 'claims', types: sort.types });
}

function checkExtraKey(key: string, at: FieldPath): void {
  if (!key) return at.required();
  const [domain = '', ...path] = key.split('/');
  if (!path.length || !path.join('/')) return at.invalid(key, 'must be a domain-prefixed path (such as "acme.io/foo")');
  for (const message of dns1123Subdomain(domain)) at.invalid(domain, message);
  if (!/^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(path.join('/'))) at.invalid(path.join('/'), 'Invalid path');
  if (key !== key.toLowerCase()) at.invalid(key, 'key must be lowercase');
  if (/(^|\.)(k8s|kubernetes)\.io$/.test(domain)) at.invalid(key, 'k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use');
}

function checkExtra(extra: readonly { key?: string; valueExpression?: string }[], at: FieldPath): void {
  const seen = new Set<string>();
  for (const [i, { key = '', valueExpression = '' }] of extra.entries()) {
    const path = at.at(i);
    checkExtraKey(key, path.child('key'));
    if (seen.has(key)) {
      path.child('key').duplicate(key);
      continue;
    }
    seen.add(key);
    if (!valueExpression) path.child('valueExpression').required('valueExpression is required');
    else checkExpression(valueExpression, path.child('valueExpression'), { subject: 'claims', types: resultTypes.groups.types });
  }
}

const usesEmail = (source: string): boolean => /\bclaims\s*(\.\s*\??\s*email\b|\[\s*\??\s*["']email["'])/.test(source);
const usesVerified = (source: string): boolean => /\bclaims\s*(\.\s*\??\s*email_verified\b|\[\s*\??\s*["']email_verified["'])/.test(source);

/** A mailbox is an identity only when its issuer has checked it. */
function checkVerifiedEmail({ claimMappings, claimValidationRules = [] }: JwtAuthenticator, at: FieldPath): void {
  const { expression = '' } = claimMappings.username;
  if (!usesEmail(expression)) return;
  const sources = [expression, ...(claimMappings.extra ?? []).map((one) => one.valueExpression), ...claimValidationRules.map((rule) => rule.expression ?? '')];
  if (sources.some(usesVerified)) return;
  at.child('claimMappings').child('username').child('expression').invalid(
    expression,
    'claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression',
  );
}

function checkAuthenticator(authenticator: JwtAuthenticator, at: FieldPath, disallowed: readonly string[]): void {
  checkIssuer(authenticator.issuer ?? {}, at.child('issuer'), disallowed);
  const seen = { claims: new Set<string>(), expressions: new Set<string>() };
  for (const [i, rule] of (authenticator.claimValidationRules ?? []).entries()) checkClaimRule(rule, at.child('claimValidationRules').at(i), seen);
  const mappings = authenticator.claimMappings ?? {};
  const path = at.child('claimMappings');
  checkMapping(mappings.username, path.child('username'), { required: true, types: resultTypes.username.types });
  checkMapping(mappings.groups, path.child('groups'), { required: false, types: resultTypes.groups.types });
  const { claim: uidClaim, expression: uidExpression } = mappings.uid ?? {};
  if (uidClaim && uidExpression) path.child('uid').invalid('', "claim and expression can't both be set");
  else if (uidExpression) checkExpression(uidExpression, path.child('uid').child('expression'), { subject: 'claims', types: resultTypes.username.types });
  checkExtra(mappings.extra ?? [], path.child('extra'));
  if (mappings.username) checkVerifiedEmail(authenticator, at);
  const rules = new Set<string>();
  for (const [i, { expression = '' }] of (authenticator.userValidationRules ?? []).entries()) {
    const rule = at.child('userValidationRules').at(i).child('expression');
    if (!expression) rule.required('expression is required');
    else if (rules.has(expression)) rule.duplicate(expression);
    else checkExpression(expression, rule, { subject: 'user', types: resultTypes.rule.types });
    rules.add(expression);
  }
}

/** Upstream's ValidateAuthenticationConfiguration. `disallowed` are issuers with another way in: those of service accounts. */
export function validateAuthentication({ jwt, anonymous }: AuthenticationConfiguration, disallowed: readonly string[]): FieldError[] {
  const errors: FieldError[] = [];
  const root = new FieldPath(errors);
  const at = root.child('jwt');
  if (jwt.length > maxAuthenticators) at.tooMany(jwt.length, maxAuthenticators);
  const seen = { urls: new Set<string>(), discovery: new Set<string>() };
  for (const [i, one] of jwt.entries()) {
    const { url = '', discoveryURL = '' } = one.issuer ?? {};
    checkAuthenticator(one, at.at(i), disallowed);
    if (seen.urls.has(url)) at.at(i).child('issuer').child('url').duplicate(url);
    if (discoveryURL && seen.discovery.has(discoveryURL)) at.at(i).child('issuer').child('discoveryURL').duplicate(discoveryURL);
    seen.urls.add(url);
    seen.discovery.add(discoveryURL);
  }
  if (anonymous && !anonymous.enabled && anonymous.conditions?.length) {
    root.child('anonymous').child('conditions').invalid(anonymous.conditions, 'enabled should be set to true when conditions are defined');
  }
  return errors;
}
