import { type CelType, type Program, boolType, compile, dynType, environment, listType, mapType, objectType, stringType, toJson } from '@orrery/cel';

const userType = objectType('kubernetes.UserInfo', {
  username: stringType,
  uid: stringType,
  groups: listType(stringType),
  extra: mapType(stringType, listType(stringType)),
});

const claimsEnvironment = environment({ variables: { claims: mapType(stringType, dynType) } });
const userEnvironment = environment({ variables: { user: userType }, types: [userType] });

/** Which variable an expression speaks of. */
export type Subject = 'claims' | 'user';

export type Compiled = { readonly program: Program; readonly problem?: undefined } | { readonly problem: string; readonly program?: undefined };

/** What each sort of expression may evaluate to, and how the refusal names it. */
export const resultTypes = {
  rule: { types: [boolType] },
  username: { types: [stringType] },
  groups: { types: [listType(stringType), listType(dynType), stringType] },
} as const satisfies Record<string, { types: readonly CelType[] }>;

export function compileExpression(source: string, subject: Subject, types: readonly CelType[]): Compiled {
  const { program, failure } = compile(source, subject === 'claims' ? claimsEnvironment : userEnvironment, { expect: types });
  return failure ? { problem: `compilation failed: ${failure.text}` } : { program };
}

/** The JSON that an expression comes to. Throws an Error with its failure. */
export function evaluate(program: Program, bindings: Readonly<Record<string, unknown>>): unknown {
  const { value, error } = program.evaluate(bindings);
  if (error) throw new Error(`expression '${program.source}' resulted in error: ${error.message}`);
  return toJson(value);
}
