import { expect, it } from 'vitest';
import { logQuery } from './pod-log.ts';

it.each([
  ['', ''],
  ['follow=true&tailLines=5', '?follow=true&tailLines=5'],
  ['stream=Stdout&limitBytes=1', '?limitBytes=1&stream=Stdout'],
])('%j is passed on as %j', (query, expected) => expect(logQuery(new URLSearchParams(query), 'p')).toBe(expected));

it.each([
  ['tailLines=-1', 'PodLogOptions "p" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0'],
  ['limitBytes=0&sinceSeconds=0', 'PodLogOptions "p" is invalid: [limitBytes: Invalid value: 0: must be greater than 0, sinceSeconds: Invalid value: 0: must be greater than 0]'],
  ['sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z', 'PodLogOptions "p" is invalid: []: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified'],
  ['stream=Both', 'PodLogOptions "p" is invalid: stream: Unsupported value: "Both": supported values: "All", "Stderr", "Stdout"'],
  ['stream=Stderr&tailLines=1', 'PodLogOptions "p" is invalid: []: Forbidden: `tailLines` and specific `stream` are mutually exclusive for now'],
  ['tailLines=many', 'strconv.ParseInt: parsing "many": invalid syntax'],
  ['sinceTime=now', 'parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006"'],
])('%s is refused', (query, message) => expect(() => logQuery(new URLSearchParams(query), 'p')).toThrow(message));
