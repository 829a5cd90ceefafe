import type { Program } from '@orrery/cel';
import { InvalidTokenError } from '../bearer.ts';
import type { ClaimRule, JwtAuthenticator, Mapping } from './configuration.ts';
import { type Subject, compileExpression, evaluate, resultTypes } from './expressions.ts';

export type Claims = Readonly<Record<string, unknown>>;

/** The parts of an identity that claims were mapped to. */
export interface MappedUser {
  readonly username: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** Maps and checks the claims of one issuer; expressions are compiled once. Throws InvalidTokenError with upstream's words. */
export type ClaimsReader = (claims: Claims) => MappedUser;

function refuse(message: string): never {
  throw new InvalidTokenError(`oidc: ${message}`);
}

function must(source: string, subject: Subject, types: readonly Parameters<typeof compileExpression>[2][number][]): Program {
  const { program, problem } = compileExpression(source, subject, types);
  if (!program) throw new Error(problem);
  return program;
}

function textClaim(claims: Claims, name: string, what: string): string {
  const value = claims[name];
  if (value === undefined) refuse(`parse ${what} ${JSON.stringify(name)}: claim not present`);
  if (typeof value !== 'string') refuse(`parse ${what} ${JSON.stringify(name)}: json: cannot unmarshal ${typeof value} into Go value of type string`);
  return value;
}

/** Runs an expression; its failure refuses the token. */
function run(program: Program, bindings: Readonly<Record<string, unknown>>, what: string): unknown {
  try {
    return evaluate(program, bindings);
  } catch (error) {
    return refuse(`error evaluating ${what}: ${(error as Error).message}`);
  }
}

function strings(value: unknown, what: string): string[] {
  if (value === null || value === undefined || value === '') return [];
  if (typeof value === 'string') return [value];
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value.filter((one) => one !== '');
  return refuse(`error evaluating ${what}: expression must return a string or a list of strings`);
}

function usernameReader(mapping: Mapping): (claims: Claims) => string {
  const { claim = '', prefix = '', expression } = mapping;
  if (expression) {
    const program = must(expression, 'claims', resultTypes.username.types);
    return (claims) => {
      const value = run(program, { claims }, 'username claim expression');
      if (typeof value !== 'string') return refuse('error evaluating username claim expression: username claim expression must return a string');
      return value || refuse('empty username via CEL expression is not allowed');
    };
  }
  return (claims) => {
    const value = textClaim(claims, claim, 'username claims');
    if (claim === 'email' && claims['email_verified'] !== undefined) {
      if (typeof claims['email_verified'] !== 'boolean') refuse("parse 'email_verified' claim: json: cannot unmarshal into Go value of type bool");
      if (!claims['email_verified']) refuse('email not verified');
    }
    return prefix + value;
  };
}

function groupsReader(mapping: Mapping | undefined): (claims: Claims) => string[] {
  const { claim = '', prefix = '', expression } = mapping ?? {};
  if (expression) {
    const program = must(expression, 'claims', resultTypes.groups.types);
    return (claims) => strings(run(program, { claims }, 'groups claim expression'), 'groups claim expression');
  }
  if (!claim) return () => [];
  return (claims) => {
    const value = claims[claim];
    if (value === undefined || value === null) return [];
    const groups = typeof value === 'string' ? [value] : value;
    if (!Array.isArray(groups) || !groups.every((one) => typeof one === 'string')) return refuse(`parse groups claim ${JSON.stringify(claim)}: json: cannot unmarshal into Go value of type string`);
    return groups.map((group) => prefix + group);
  };
}

function uidReader(mapping: Omit<Mapping, 'prefix'> | undefined): (claims: Claims) => string | undefined {
  const { claim = '', expression } = mapping ?? {};
  if (expression) {
    const program = must(expression, 'claims', resultTypes.username.types);
    return (claims) => {
      const value = run(program, { claims }, 'UID claim expression');
      return typeof value === 'string' ? value : refuse('error evaluating UID claim expression: UID claim expression must return a string');
    };
  }
  return claim ? (claims) => textClaim(claims, claim, 'UID claim') : () => undefined;
}

function extraReader(mappings: JwtAuthenticator['claimMappings']['extra'] = []): (claims: Claims) => Record<string, string[]> {
  const programs = mappings.map(({ key, valueExpression }) => ({ key, program: must(valueExpression, 'claims', resultTypes.groups.types) }));
  return (claims) => {
    const extra: Record<string, string[]> = {};
    for (const { key, program } of programs) {
      const values = strings(run(program, { claims }, 'extra claim expression'), 'extra claim expression');
      if (values.length) extra[key] = values;
    }
    return extra;
  };
}

/** One check that must come to true. */
function condition(rule: { expression: string; message?: string }, subject: Subject): (value: unknown) => void {
  const program = must(rule.expression, subject, resultTypes.rule.types);
  const what = subject === 'claims' ? 'claim validation expression' : 'user info validation rule';
  return (value) => {
    if (run(program, { [subject]: value }, what) !== true) refuse(`error evaluating ${what}: validation expression '${rule.expression}' failed: ${rule.message ?? ''}`);
  };
}

function requiredClaim({ claim = '', requiredValue = '' }: ClaimRule): (claims: Claims) => void {
  return (claims) => {
    const value = claims[claim];
    if (value === undefined) refuse(`required claim ${claim} not present in ID token`);
    // Only strings can be required.
    if (typeof value !== 'string') refuse(`parse claim ${claim}: json: cannot unmarshal ${typeof value} into Go value of type string`);
    if (value !== requiredValue) refuse(`required claim ${claim} value does not match. Got = ${value}, want = ${requiredValue}`);
  };
}

/** Of a validated authenticator. */
export function claimsReader({ claimMappings, claimValidationRules = [], userValidationRules = [] }: JwtAuthenticator): ClaimsReader {
  const [username, groups, uid, extra] = [usernameReader(claimMappings.username), groupsReader(claimMappings.groups), uidReader(claimMappings.uid), extraReader(claimMappings.extra)];
  const required = claimValidationRules.filter((rule) => rule.claim).map(requiredClaim);
  const rules = claimValidationRules.flatMap(({ expression, message }) => (expression ? [condition({ expression, ...(message ? { message } : {}) }, 'claims')] : []));
  const userRules = userValidationRules.map((rule) => condition(rule, 'user'));
  return (claims) => {
    const mapped = { username: username(claims), groups: groups(claims) };
    for (const check of required) check(claims);
    const id = uid(claims);
    const more = extra(claims);
    if (typeof claims['jti'] === 'string' && claims['jti']) more['authentication.kubernetes.io/credential-id'] = [`JTI=${claims['jti']}`];
    for (const check of rules) check(claims);
    const user: MappedUser = { ...mapped, ...(id === undefined ? {} : { uid: id }), extra: more };
    for (const check of userRules) check({ username: user.username, uid: id ?? '', groups: user.groups, extra: user.extra });
    return user;
  };
}
