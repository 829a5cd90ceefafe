import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rewriteHtml, rewriteUrl } from './rewrite-links.ts';

const source = { prefix: '/api/v1/namespaces/a/pods/p/proxy', backend: '10.244.0.5:8080', asked: 'localhost:8001' };
const { prefix } = source;

describe('URLs of a backend', () => {
  it.each([
    ['/rewriteme', `${prefix}/rewriteme`],
    ['/', `${prefix}/`],
    ['/a//b/?q=/c#d', `${prefix}/a//b/?q=/c#d`],
    ['http://10.244.0.5:8080/x?y', `${prefix}/x?y`],
    ['//10.244.0.5:8080/x', `${prefix}/x`],
    ['http://localhost:8001/x', `http://localhost:8001${prefix}/x`],
    [`http://localhost:8001${prefix}/x`, `http://localhost:8001${prefix}/x`],
    [`${prefix}/x`, `${prefix}/x`],
    ['https://example.com/x', 'https://example.com/x'],
    ['relative/path', 'relative/path'],
    ['?only=query', '?only=query'],
    ['#here', '#here'],
    ['', ''],
    ['mailto:a@b', 'mailto:a@b'],
    ['file:/etc/passwd', 'file:/etc/passwd'],
  ])('%s', (url, wanted) => expect(rewriteUrl(url, source)).toBe(wanted));
});

describe('pages', () => {
  const rewritten = (html: string): string => rewriteHtml(html, (url) => rewriteUrl(url, source));
  it.each([
    ['<a href="/rewriteme">test</a>', `<a href="${prefix}/rewriteme">test</a>`],
    ["<A class=x HREF='/x'>t</A>", `<A class=x HREF='${prefix}/x'>t</A>`],
    ['<img alt="a > b" src=/x.png><br/>', `<img alt="a > b" src=${prefix}/x.png><br/>`],
    ['<form action = "/f" method=post>', `<form action = "${prefix}/f" method=post>`],
    ['<video poster="/p" src="/s" title="/t"/>', `<video poster="${prefix}/p" src="${prefix}/s" title="/t"/>`],
    ['<script src="/s.js">var a = \'<a href="/x">\'</script><a href="/y">', `<script src="${prefix}/s.js">var a = '<a href="/x">'</script><a href="${prefix}/y">`],
    ['<!-- <a href="/x"> --><a href="/y">', `<!-- <a href="/x"> --><a href="${prefix}/y">`],
    ['<!doctype html><p href="/x">1 < 2</p>', '<!doctype html><p href="/x">1 < 2</p>'],
    ['<a href="/unfinished', '<a href="/unfinished'],
    ['</a href="/x">', '</a href="/x">'],
  ])('%s', (html, wanted) => expect(rewritten(html)).toBe(wanted));

  it('stay as they are when no URL changes, whatever they are', () => {
    const piece = fc.constantFrom('<', '>', '/', '"', "'", '=', ' ', 'a', 'href', '<a', '<script', '</script', '<!--', '-->', 'x', '\n');
    fc.assert(fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => void expect(rewriteHtml(pieces.join(''), (url) => url)).toBe(pieces.join(''))));
  });

  it('are read in time, however they are meant', () => {
    for (const evil of ['<a "', '<a href="', '<script>', '<!--', '< ', '<a =']) {
      const html = evil.repeat(60_000);
      expect(rewritten(html).length).toBeGreaterThanOrEqual(html.length);
    }
  });
});
