import { parseJson } from '@orrery/apimachinery';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError, warningLines } from './decode-error.ts';
import { duplicateFields, jsonPatchProblems } from './decode-patch.ts';
import { decodeYaml } from './decode-yaml.ts';

describe('what strict decoding says of a patch', () => {
  it('names doubled members in the order of the document', () => {
    expect(duplicateFields(parseJson('{"spec":{"paused":true,"b":[{"x":1,"x":2}],"paused":false},"spec":{}}'))).toEqual(['duplicate field "spec.b[0].x"', 'duplicate field "spec.paused"', 'duplicate field "spec"']);
    expect(duplicateFields(parseJson('{"a":{"b":1},"c":{"b":1}}'))).toEqual([]);
  });

  it('stops at a hundred', () => {
    const text = `{${Array.from({ length: 300 }, (_, i) => `"k${i}":1,"k${i}":2`).join(',')}}`;
    expect(duplicateFields(parseJson(text))).toHaveLength(100);
  });

  it('knows the members of operations', () => {
    const text = '[{"op":"add","path":"/a","value":{"b":1,"b":2},"foo":"x"},{"op":"test","path":"/a","path":"/b"},null]';
    expect(jsonPatchProblems(parseJson(text))).toEqual(['json patch duplicate field "[0].value.b"', 'json patch unknown field "[0].foo"', 'json patch duplicate field "[1].path"']);
    expect(jsonPatchProblems(parseJson('null'))).toEqual([]);
  });

  it.each([
    ['{}', 'json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp'],
    ['["x"]', 'json: cannot unmarshal string into Go value of type handlers.jsonPatchOp'],
    ['[{"op":1}]', 'json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string'],
    ['[{"path":{}}]', 'json: cannot unmarshal object into Go struct field jsonPatchOp.path of type string'],
  ])('refuses %s', (text, message) => {
    expect(() => jsonPatchProblems(parseJson(text))).toThrow(new DecodeError(message));
  });

  it('survives any JSON', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const parsed = parseJson(text);
        expect(duplicateFields(parsed)).toEqual([]);
        try {
          jsonPatchProblems(parsed);
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error;
        }
      }),
    );
  });
});

describe('problems of YAML', () => {
  const definition = 'io.k8s.api.apps.v1.Deployment';
  const text = 'spec:\n  unknown1: a\n  paused: true\n  paused: false\n  template:\n    spec:\n      unknownNested: b\n  a-b: 1\nextra: 1\n';

  it('are told line by line, then the fields by name', () => {
    expect(decodeYaml(text, definition, 'Warn').warnings).toEqual(['line 4: key "paused" already set in map', 'unknown field "extra"', 'unknown field "spec.a-b"', 'unknown field "spec.template.spec.unknownNested"', 'unknown field "spec.unknown1"']);
    expect(() => decodeYaml(text, definition, 'Strict')).toThrow('strict decoding error: yaml: unmarshal errors:\n  line 4: key "paused" already set in map, unknown field "extra", unknown field "spec.a-b"');
  });

  it('of an applied object lose what is said around them', () => {
    expect(warningLines('error converting YAML to JSON: yaml: unmarshal errors:\n  line 1: a\n  line 2: b')).toEqual(['line 1: a', 'line 2: b']);
    expect(warningLines('unknown field "x"')).toEqual(['unknown field "x"']);
  });
});
