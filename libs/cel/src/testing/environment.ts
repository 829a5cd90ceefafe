import { type CelType, authorizerType, boolType, bytesType, doubleType, durationType, dynType, intType, listType, mapType, objectType, stringType, timestampType } from '../types.ts';
import { type Bindings, type Environment, type EvaluateOptions, compile, environment } from '../index.ts';

const nested = objectType('selfType.items.@idx', { k: stringType, v: intType });

/** `self` as a schema types it, and things of any type. */
export const selfType = objectType('selfType', {
  n: intType, x: doubleType, s: stringType, b: boolType, bytes: bytesType, at: timestampType, every: durationType, list: listType(stringType), ints: listType(intType), items: listType(nested), map: mapType(stringType, stringType), any: dynType,
});

export const testEnvironment: Environment = environment({ variables: { self: selfType, object: dynType, authorizer: authorizerType } });

export const testBindings: Bindings = {
  self: {
    n: 3, x: 2, s: 'web-1', b: true, bytes: 'aGk=', at: '2026-01-02T03:04:05.678Z', every: '90m', list: ['a', 'b'], ints: [3, 1, 2], items: [{ k: 'a', v: 1 }, { k: 'b', v: 2 }], map: { x: 'y', 'a.b': 'z' }, any: '80%',
  },
  object: { spec: { replicas: 3, ratio: 0.5, names: ['a', 'b'], nothing: null, deep: { er: { value: 1 } } } },
};

/** What an expression comes to, as text: its value, its error, or all that the compiler says. */
export function outcome(source: string, { env = testEnvironment, bindings = testBindings, ...options }: EvaluateOptions & { env?: Environment; bindings?: Bindings } = {}): unknown {
  const { program, failure } = compile(source, env);
  if (failure) return failure.text;
  const { value, error } = program.evaluate(bindings, options);
  return error ? `${error.kind}: ${error.message}` : value;
}

/** An environment of variables alone. */
export const withVariables = (variables: Readonly<Record<string, CelType>>): Environment => environment({ variables });
