import { describe, expect, it, vi } from 'vitest';
import { request } from '../test/samples';
import { Fault, type RequestView } from './backend';
import { Requests, type RequestsOptions } from './requests.svelte';

function open(commands: Partial<RequestsOptions['commands']> = {}) {
  const done = async () => {};
  const all = {
    admit: vi.fn(done),
    decline: vi.fn(done),
    askToWait: vi.fn(done),
    seeRequests: vi.fn(done),
    alwaysLetIn: vi.fn(done),
    writeTo: vi.fn(done),
    block: vi.fn(done),
    admitAll: vi.fn(done),
    declineAll: vi.fn(done),
    ...commands,
  };
  const onknock = vi.fn<(request: RequestView) => void>();
  const onring = vi.fn<() => void>();
  const onfault = vi.fn<(reason: unknown) => void>();
  return {
    requests: new Requests({ commands: all, onknock, onring, onfault }),
    commands: all,
    onknock,
    onring,
    onfault,
  };
}

describe('who knocks', () => {
  it('is announced once, and not when it was there before the window', () => {
    const { requests, onknock } = open();
    requests.take([request('ada')]);
    expect(onknock).not.toHaveBeenCalled();
    requests.take([request('ada'), request('bea')]);
    requests.take([request('ada'), request('bea', { away: true })]);
    expect(onknock.mock.calls.map(([{ id }]) => id)).toEqual(['bea']);
  });

  it('is announced again when it comes again', () => {
    const { requests, onknock } = open();
    requests.take([]);
    requests.take([request('ada')]);
    requests.take([]);
    requests.take([request('ada')]);
    expect(onknock).toHaveBeenCalledTimes(2);
  });

  it('makes no sound and no count where requests are silenced', () => {
    const { requests, onknock } = open();
    requests.take([]);
    requests.take([request('ada', { bell: 'silenced' }), request('bea')]);
    expect(onknock.mock.calls.map(([{ id }]) => id)).toEqual(['bea']);
    expect(requests.ringing.map(({ id }) => id)).toEqual(['bea']);
  });

  it('rings again as the app says, once for all, and never where it is silent', () => {
    const { requests, onknock, onring } = open();
    requests.take([request('ada')]);
    requests.take([request('ada', { rings: 2 }), request('bea')]);
    expect([onknock.mock.calls.length, onring.mock.calls.length]).toEqual([1, 1]);
    requests.take([request('ada', { rings: 3 }), request('bea', { rings: 2 })]);
    expect(onring).toHaveBeenCalledTimes(2);
    requests.take([request('ada', { rings: 3, seen: true }), request('bea', { rings: 2 })]);
    requests.take([request('ada', { rings: 4, bell: 'asked-to-wait' })]);
    expect(onring).toHaveBeenCalledTimes(2);
  });

  it('is grouped by link, in the order of knocking', () => {
    const { requests } = open();
    requests.take([
      request('ada', { linkId: 'B' }),
      request('bea', { linkId: 'A' }),
      request('cleo', { linkId: 'B' }),
    ]);
    expect(
      requests.groups.map(({ linkId, requests }) => [linkId, requests.map(({ id }) => id)]),
    ).toEqual([
      ['B', ['ada', 'cleo']],
      ['A', ['bea']],
    ]);
  });
});

describe('the answer', () => {
  it('is given once, however often it is pressed, until the request has gone', async () => {
    const { requests, commands } = open();
    requests.take([request('ada')]);
    await Promise.all([requests.admit('ada'), requests.admit('ada'), requests.decline('ada')]);
    expect(requests.deciding('ada')).toBe(true);
    expect(commands.admit).toHaveBeenCalledTimes(1);
    expect(commands.decline).not.toHaveBeenCalled();
    requests.take([]);
    expect(requests.deciding('ada')).toBe(false);
  });

  it('for everyone marks everyone', async () => {
    const { requests, commands } = open();
    requests.take([request('ada'), request('bea')]);
    await requests.admitAll(requests.groups[0]!);
    expect(commands.admitAll).toHaveBeenCalledWith('A', ['ada', 'bea']);
    expect(requests.deciding('ada') && requests.deciding('bea')).toBe(true);
  });

  it('can be given again after a fault', async () => {
    const fault = new Fault('internal', '');
    const { requests, onfault } = open({ admit: () => Promise.reject(fault) });
    requests.take([request('ada')]);
    await requests.admit('ada');
    expect(onfault).toHaveBeenCalledWith(fault);
    expect(requests.deciding('ada')).toBe(false);
  });

  it('that comes too late is not a fault', async () => {
    const gone = { admit: () => Promise.reject(new Fault('request-gone', '')) };
    const { requests, onfault } = open(gone);
    requests.take([request('ada')]);
    await requests.admit('ada');
    expect(onfault).not.toHaveBeenCalled();
  });

  it('“ask to wait” leaves the request to be decided', async () => {
    const { requests, commands } = open();
    requests.take([request('ada')]);
    await requests.askToWait('ada');
    expect(requests.deciding('ada')).toBe(false);
    await requests.admit('ada');
    expect(commands.admit).toHaveBeenCalledWith('ada');
  });
});
