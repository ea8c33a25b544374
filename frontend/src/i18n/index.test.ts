import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { best } from './load';
import { direction, say, speak } from './say';

const root = new URL('../../messages/', import.meta.url);
const parts = ['call', 'guest', 'host', 'system'];
// A message is a text, or variants of one by number, which have texts in them.
const read = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(new URL(path, root), 'utf8'));
const inputs = (message: unknown) =>
  [...new Set(JSON.stringify(message).match(/\{\w+\}/g) ?? [])].sort();
const languages = Object.keys(read('languages.json'));

/** All texts of a message. */
const textsOf = (message: unknown): string[] =>
  typeof message === 'string'
    ? [message]
    : Object.values((message as [{ match: Record<string, string> }])[0].match);

/** How wide a text is drawn, about, in Latin letters: a character of East Asia takes two. */
const width = (text: string) =>
  text.length + (text.match(/[\u3000-\u9fff\uff00-\uffef]/g) ?? []).length;

describe('messages', () => {
  const keys = new Set<string>();
  for (const part of parts) {
    const english = read(`${part}/en.json`);
    it(`of ${part} are there in every language`, () => {
      const files = readdirSync(new URL(`${part}/`, root)).map((name) => name.replace('.json', ''));
      expect(files.sort()).toEqual([...languages].sort());
      for (const language of languages) {
        const other = read(`${part}/${language}.json`);
        expect(Object.keys(other), `${part}/${language}.json`).toEqual(Object.keys(english));
      }
    });

    it(`of ${part} say what the English one says, in no more room`, () => {
      for (const language of languages) {
        const untouched: string[] = [];
        for (const [key, message] of Object.entries(read(`${part}/${language}.json`))) {
          const place = `${part}/${language}.json: ${key}`;
          expect(inputs(message), place).toEqual(inputs(english[key]));
          expect(typeof message, place).toBe(typeof english[key]);
          const room = Math.max(...textsOf(english[key]).map(width));
          for (const text of textsOf(message)) {
            expect(text.trim(), place).toBe(text);
            expect(text, place).not.toBe('');
            expect(width(text), `${place}: “${text}”`).toBeLessThanOrEqual(
              Math.max(room * 1.8, room + 24),
            );
          }
          if (language !== 'en' && message === english[key] && room > 24) untouched.push(key);
        }
        expect(untouched, `${part}/${language}.json: still English`).toEqual([]);
      }
    });

    it(`of ${part} have the plural forms of their language`, () => {
      for (const language of languages) {
        const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
        for (const [key, message] of Object.entries(read(`${part}/${language}.json`))) {
          if (typeof message === 'string') continue;
          const [{ match }] = message as [{ match: Record<string, string> }];
          const own = Object.keys(match).map((when) => when.replace('countPlural=', ''));
          // Of a million and more, which some languages say in their own way, there is nothing here.
          const wanted = forms.filter((form) => form !== 'many' || language === 'ar');
          expect(own.sort(), `${language}: ${key}`).toEqual([...wanted].sort());
        }
      }
    });

    it(`of ${part} have keys of their own, which are used`, () => {
      for (const key of Object.keys(english)) {
        expect(keys.has(key), key).toBe(false);
        keys.add(key);
        expect(key.startsWith(`${part}_`), key).toBe(true);
      }
      const unused = Object.keys(english).filter((key) => !sources.includes(key));
      expect(unused).toEqual([]);
    });
  }
});

it.each(['guest', 'host'])(
  'the page of the %s says in every language that it has not started',
  (whose) => {
    const page = readFileSync(new URL(`../../${whose}/index.html`, import.meta.url), 'utf8');
    const said = [...page.matchAll(/<p(?: lang="(.+?)")?(?: dir="(.+?)")?>/g)];
    expect(said.map(([, language = 'en']) => language).sort()).toEqual([...languages].sort());
    for (const [, language = 'en', way = 'ltr'] of said) expect(way).toBe(direction(language));
  },
);

// What a button shows is part of its name, or whoever speaks to their computer can't press it (WCAG 2.2, 2.5.3).
it.each([
  ['host_let_in', 'host_let_in_name'],
  ['host_decline', 'host_decline_name'],
  ['host_reach_change', 'host_reach_change_name'],
  ['host_relay_try', 'host_relay_try_name'],
  ['host_relay_enter_invitation', 'host_relay_enter_invitation_name'],
])('%s is part of %s in every language', (shown, name) => {
  for (const language of languages) {
    const texts = read(`host/${language}.json`) as Record<string, string>;
    expect(texts[name]?.toLowerCase(), language).toContain(texts[shown]?.toLowerCase());
  }
});

/** All that is written by hand and could say a message. */
const sources = ['guest', 'host', 'src', '../desktop']
  .flatMap((folder) => {
    const at = new URL(`../../${folder}/`, import.meta.url);
    return readdirSync(at, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|svelte|go)$/.test(name) && !name.includes('generated'))
      .map((name) => readFileSync(new URL(name, at), 'utf8'));
  })
  .join('\n');

describe('a language', () => {
  it('is the first of the wishes that there is', () => {
    for (const [wishes, language] of [
      [['fr-CA', 'en'], 'fr'],
      [['pt-PT'], 'pt-BR'],
      [['zh-CN'], 'zh-Hans'],
      [['ar-EG', 'en'], 'ar'],
      [['nl', 'de-AT'], 'de'],
      [['', 'ja'], 'ja'],
      [['xx', 'nl'], 'en'],
      [['en-XA'], 'en-XA'],
      [['en-GB'], 'en'],
    ] as const)
      expect(best(wishes), wishes.join()).toBe(language);
  });

  it('has a direction', () => {
    for (const language of languages)
      expect(direction(language), language).toBe(language === 'ar' ? 'rtl' : 'ltr');
  });

  it('says numbers and plurals in its own way, and the words of others as they run', () => {
    const texts = [
      '{name} / {name}',
      { one: 'one {count}', few: 'few {count}', other: 'other {count}' },
    ];
    try {
      speak('ar-EG', texts);
      expect(say(0, { name: 'Ada {count}' })).toBe(
        '\u2068Ada {count}\u2069 / \u2068Ada {count}\u2069',
      );
      expect(say(1, { count: 3 })).toBe('few ٣');
      speak('de', texts);
      expect(say(0, { name: '$&' })).toBe('$& / $&');
      expect(say(1, { count: 1 })).toBe('one 1');
      expect(say(1, { count: 1000 })).toBe('other 1000');
    } finally {
      speak('en', []);
    }
  });
});
