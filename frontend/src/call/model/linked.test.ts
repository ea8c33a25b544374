import { describe, expect, it } from 'vitest';
import { linked, type Piece } from './linked';

const links = (text: string) =>
  linked(text).filter((piece): piece is Exclude<Piece, string> => typeof piece !== 'string');
const shown = (text: string) =>
  linked(text)
    .map((piece) => (typeof piece === 'string' ? piece : piece.text))
    .join('');

describe('addresses in a line', () => {
  it.each([
    ['https://example.com', 'https://example.com/'],
    ['See https://example.com/a?b=c#d.', 'https://example.com/a?b=c#d'],
    ['(http://example.com/x)', 'http://example.com/x'],
    [
      'https://en.wikipedia.org/wiki/Porch_(architecture)',
      'https://en.wikipedia.org/wiki/Porch_(architecture)',
    ],
    ['www.example.com, please', 'https://www.example.com/'],
    ['HTTPS://EXAMPLE.COM/Path', 'https://example.com/Path'],
    ['http://192.0.2.7:8443/j/x', 'http://192.0.2.7:8443/j/x'],
    ['http://[2001:db8::1]/', 'http://[2001:db8::1]/'],
    ['http://localhost:8080/', 'http://localhost:8080/'],
    ['見て：https://例え.jp/道。', 'https://xn--r8jz45g.jp/%E9%81%93'],
  ])('%s', (text, href) => {
    expect(links(text).map((link) => link.href)).toEqual([href]);
  });

  it.each([
    'javascript:alert(1)',
    'JaVaScRiPt://example.com/%0aalert(1)',
    'java\tscript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'vbscript:x',
    'file:///etc/passwd',
    'wails://wails/',
    'ms-settings:privacy',
    'https://',
    'https://.',
    'http://-',
    'https://google.com@evil.example/',
    'https://user:password@evil.example/',
    'https://\u202Egoogle.com',
    'https://no-dot',
    'mail me at ada@www.example.com',
    'http://exa mple',
    'http://1',
    'xhttps://example.com',
    '//example.com',
    'https:/\\example.com',
    'http://2130706433/#127.0.0.1',
    'http://2130706433/é',
  ])('none in %j', (text) => {
    expect(links(text)).toEqual([]);
  });

  it('show how a host is really spelt', () => {
    const [link] = links('https://аpple.com/login'); // the first letter is Cyrillic
    expect(link?.text).toBe('https://xn--pple-43d.com/login');
    const [elsewhere] = links('https://аpple.com/#xn--pple-43d.com');
    expect(elsewhere?.text).toBe('https://xn--pple-43d.com/#xn--pple-43d.com');
    expect(links('https://Example.com:443/é')[0]?.text).toBe('https://Example.com:443/é');
    expect(links('https://EXAMPLE.com/A')[0]?.text).toBe('https://EXAMPLE.com/A');
  });

  it('lose nothing of what was written, and come to an end', () => {
    let seed = 1;
    const random = (below: number) => {
      seed = (seed * 48271) % 2147483647;
      return seed % below;
    };
    const parts = [
      'http://',
      'https://',
      'www.',
      'a.b',
      ' ',
      '(',
      ')',
      ')))',
      '.',
      '@',
      '\n',
      'é',
      '\u200d',
      '[',
      ']',
      '<',
      '"',
      ':',
      '//',
      '%',
      '#',
      '?x=',
      'javascript:',
      '😄',
      '-',
      '',
    ];
    for (let i = 0; i < 3000; i++) {
      let text = '';
      for (let n = random(14); n >= 0; n--) text += parts[random(parts.length)];
      const pieces = linked(text);
      let at = 0;
      for (const piece of pieces) {
        if (typeof piece !== 'string') {
          expect(piece.href).toMatch(/^https?:\/\/[a-z0-9.:[\]-]+\//);
          expect(new URL(piece.href).username).toBe('');
        }
        at += 1;
      }
      expect(at).toBe(pieces.length);
      if (!/[é😄\u200d]/u.test(text)) expect(shown(text)).toBe(text);
    }
    const long = `https://a.example/${'('.repeat(5000)}${')'.repeat(5000)}`;
    const before = performance.now();
    linked(`${long} ${'www.'.repeat(3000)} ${'.'.repeat(20_000)}`);
    expect(performance.now() - before).toBeLessThan(1000);
  });

  it('take as long as the text is', () => {
    // Four times as long a text takes four times the time; a quadratic way would take sixteen times it.
    const took = (of: (n: number) => string, n: number) => {
      const text = of(n);
      const times = Array.from({ length: 7 }, () => {
        const before = performance.now();
        for (let i = 0; i < 40; i++) linked(text);
        return performance.now() - before;
      });
      return Math.min(...times);
    };
    for (const of of [
      (n: number) => `http://a.b/${'.'.repeat(n)}${')'.repeat(n)}`,
      (n: number) => `http://a.b/${'.)'.repeat(n)}`,
      (n: number) => `http://a.b/${'()'.repeat(n)}${')]'.repeat(n)}`,
    ]) {
      took(of, 100);
      expect(took(of, 480) / took(of, 120)).toBeLessThan(9);
    }
  });
});
