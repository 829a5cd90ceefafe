import { expect, it } from 'vitest';
import { unexpectedResponse } from './unexpected-response.ts';

const generic = (code: number): string => `the server responded with the status code ${code} but did not return more information`;

it.each<[number, string, string, string, string]>([
  [302, 'GET', 'moved', 'Unknown', generic(302)],
  [400, 'GET', 'x', 'BadRequest', 'the server rejected our request for an unknown reason'],
  [401, 'GET', 'x', 'Unauthorized', 'the server has asked for the client to provide credentials'],
  [403, 'GET', 'not you', 'Forbidden', 'not you'],
  [404, 'GET', '404 page not found', 'NotFound', 'the server could not find the requested resource'],
  [405, 'PUT', 'x', 'MethodNotAllowed', 'the server does not allow this method on the requested resource'],
  [406, 'GET', '', 'NotAcceptable', 'the server was unable to respond with a content type that the client supports'],
  [406, 'GET', 'unknown', 'NotAcceptable', 'the server was unable to respond with a content type that the client supports'],
  [406, 'GET', 'only text', 'NotAcceptable', 'only text'],
  [409, 'POST', 'x', 'AlreadyExists', 'the server reported a conflict'],
  [409, 'PUT', 'x', 'Conflict', 'the server reported a conflict'],
  [410, 'GET', 'x', 'Unknown', generic(410)],
  [415, 'POST', 'no XML', 'UnsupportedMediaType', 'no XML'],
  [418, 'GET', 'x', 'Unknown', generic(418)],
  [422, 'POST', 'x', 'Invalid', 'the server rejected our request due to an error in our request'],
  [429, 'GET', 'x', 'TooManyRequests', 'the server has received too many requests and has asked us to try again later'],
  [500, 'GET', 'say "oops"\nagain', 'InternalError', 'an error on the server ("say \\"oops\\"\\nagain") has prevented the request from succeeding'],
  [502, 'GET', 'unknown', 'InternalError', 'an error on the server ("unknown") has prevented the request from succeeding'],
  [503, 'GET', 'x', 'ServiceUnavailable', 'the server is currently unable to handle the request'],
  [504, 'GET', 'x', 'Timeout', 'the server was unable to return a response in the time allotted, but may still be processing the request'],
])('%i to %s with %j is %s: %s', (code, method, text, reason, message) => {
  expect(unexpectedResponse({ code, method, text }).status).toMatchObject({ status: 'Failure', code, reason, message });
});

it.each<[string, { group?: string; resource?: string; name?: string; method?: string }]>([
  ['', {}],
  ['', { name: 'x' }],
  [' (get pods)', { resource: 'pods' }],
  [' (patch pods x)', { resource: 'pods', name: 'x', method: 'PATCH' }],
  [' (get pods.metrics.k8s.io)', { group: 'metrics.k8s.io', resource: 'pods' }],
  [' (delete pods.metrics.k8s.io x)', { group: 'metrics.k8s.io', resource: 'pods', name: 'x', method: 'DELETE' }],
])('says what was asked for: %j', (tail, asked) => {
  const { message, details } = unexpectedResponse({ code: 404, method: 'GET', text: 'x', ...asked }).status;
  expect(message).toBe(`the server could not find the requested resource${tail}`);
  const { method: _method, resource, ...rest } = asked;
  expect(details).toEqual({ ...rest, ...(resource ? { kind: resource } : {}), causes: [{ reason: 'UnexpectedServerResponse', message: 'x' }] });
});

it('keeps when to come again', () => {
  expect(unexpectedResponse({ code: 503, text: '', retryAfterSeconds: 7 }).status.details).toEqual({ causes: [{ reason: 'UnexpectedServerResponse' }], retryAfterSeconds: 7 });
});
