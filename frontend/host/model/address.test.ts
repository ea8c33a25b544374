import { expect, it } from 'vitest';
import { link } from '../test/samples';
import { ChosenAddress } from './address.svelte';

const at = (...urls: string[]) =>
  link('a', { addresses: urls.map((url) => ({ url, reach: 'network' })) });

it('is the best address until another one is chosen, and again when that has gone', () => {
  let shown: ReturnType<typeof at> | undefined = at('far', 'near');
  const chosen = new ChosenAddress(() => shown);
  expect(chosen.url).toBe('far');
  chosen.url = 'near';
  expect(chosen.url).toBe('near');
  shown = at('elsewhere');
  expect(chosen.url).toBe('elsewhere');
  shown = at('far', 'near');
  chosen.url = '';
  expect(chosen.url).toBe('far');
  shown = undefined;
  expect(chosen.url).toBe('');
});
