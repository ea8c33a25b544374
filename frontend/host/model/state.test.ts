import { expect, it } from 'vitest';
import { request } from '../test/samples';
import type { Change, RequestView, State } from './backend';
import { HostState } from './state.svelte';

async function open(requests: RequestView[]) {
  const state = new HostState(async () => ({ revision: 0, requests }) as unknown as State);
  await state.sync();
  let revision = 0;
  return (change: object): RequestView[] => {
    state.apply({ from: revision, revision: ++revision, ...change } as Change);
    return state.now.requests;
  };
}

it('takes single rows: a new one last, a known one in its place, null away', async () => {
  const apply = await open([request('a'), request('b')]);
  expect(apply({ 'requests/c': request('c') }).map((one) => one.id)).toEqual(['a', 'b', 'c']);
  expect(apply({ 'requests/b': request('b', { away: true }) }).map((one) => one.away)).toEqual([
    false,
    true,
    false,
  ]);
  expect(apply({ 'requests/a': null, 'requests/x': null }).map((one) => one.id)).toEqual([
    'b',
    'c',
  ]);
});

it('keeps a picture when its row changes, and takes a new one apart from it', async () => {
  const apply = await open([request('a', { picture: 'data:1' })]);
  expect(apply({ 'requests/a': request('a', { bell: 'silenced' }) })[0]).toEqual(
    request('a', { bell: 'silenced', picture: 'data:1' }),
  );
  expect(apply({ 'requests/a/picture': 'data:2' })[0]?.picture).toBe('data:2');
  expect(apply({ 'requests/b/picture': 'data:3', 'requests/b': request('b') })[1]?.picture).toBe(
    'data:3',
  );
  expect(apply({ 'requests/a/picture': '' })[0]?.picture).toBe('');
});

it('takes a whole list before its rows', async () => {
  const apply = await open([request('a')]);
  expect(
    apply({ 'requests/c': request('c', { away: true }), requests: [request('c'), request('d')] }),
  ).toEqual([request('c', { away: true }), request('d')]);
});
