import { beforeEach, describe, expect, it } from 'vitest';
import { FakeEngine } from '$src/test/fakeEngine';
import type { GuestMessage, Participant } from '$src/transport';
import type { OwnScreen, ScreenFault } from '../../media/engine';
import { Call } from './call.svelte';

class FakeScreen implements OwnScreen {
  onended: (() => void) | null = null;
  shared = 0;
  answer: { sound: boolean } | ScreenFault = { sound: true };
  /** Set while the person chooses. */
  chosen?: () => void;
  slow = false;

  async open() {
    if (this.slow) await new Promise<void>((chosen) => (this.chosen = chosen));
    if (typeof this.answer !== 'string') this.shared++;
    return this.answer;
  }
  close() {
    this.shared = 0;
  }
}

let own: FakeScreen;
let sent: GuestMessage[];
let call: Call;

const person = (id: string): Participant => ({ id, name: id.toUpperCase(), joinedAt: 1 });
const settled = () => new Promise((done) => setTimeout(done, 0));
const screen = (participant: string) => call.receive({ type: 'screen', payload: { participant } });
const roster = (takes: string[] = ['sharing']) =>
  call.receive({
    type: 'roster',
    payload: { you: 'me', participants: ['host', 'me', 'ada'].map(person), chat: [], takes },
  });
const said = () => {
  const payloads = sent.flatMap((message) => (message.type === 'sharing' ? [message.payload] : []));
  sent.length = 0;
  return payloads;
};
const share = async () => {
  call.sharing.share();
  await settled();
};

beforeEach(() => {
  own = new FakeScreen();
  sent = [];
  const engine = Object.assign(new FakeEngine(), { screen: own });
  call = new Call(engine, (message) => sent.push(message) > 0);
  roster();
  screen('');
  call.notice = undefined;
});

describe('the own screen', () => {
  it('can be shared where host and browser can do it', () => {
    expect(call.sharing.possible).toBe(true);
    roster([]);
    expect(call.sharing.possible).toBe(false);
    const blind = new Call(new FakeEngine(), () => true);
    blind.receive({
      type: 'roster',
      payload: { you: 'me', participants: [], chat: [], takes: ['sharing'] },
    });
    expect(blind.sharing.possible).toBe(false);
  });

  it('is shared once the host says so, and until it is stopped', async () => {
    await share();
    expect(said()).toEqual([{ on: true, sound: true }]);
    expect(call.sharing.own).toBe('asked');
    screen('me');
    expect(call.sharing.own).toBe('on');
    expect(call.sharer).toBeUndefined();
    call.sharing.stop();
    expect(said()).toEqual([{ on: false }]);
    expect(own.shared).toBe(0);
    expect(call.notice).toEqual({ kind: 'screen-stopped' });
    screen('');
    expect(call.notice).toEqual({ kind: 'screen-stopped' });
  });

  it('ends when the browser ends it', async () => {
    await share();
    screen('me');
    said();
    own.onended?.();
    expect(said()).toEqual([{ on: false }]);
    expect(call.sharing.presenting).toBe(false);
  });

  it('is not shared if the person chooses none', async () => {
    own.answer = 'screen-refused';
    await share();
    expect(said()).toEqual([]);
    expect(call.notice).toEqual({ kind: 'screen-refused' });
    expect(call.sharing.own).toBe('off');
  });

  it('takes the place of another after a question', async () => {
    screen('ada');
    expect(call.notice).toEqual({ kind: 'screen-begun', name: 'ADA' });
    await share();
    expect(call.sharing.asking).toBe(true);
    call.sharing.answer(false);
    await settled();
    expect(said()).toEqual([]);
    await share();
    call.sharing.answer(true);
    await settled();
    expect(said()).toEqual([{ on: true, sound: true, instead: 'ada' }]);
    screen('ada'); // said before the host has heard it
    expect(call.sharing.own).toBe('asked');
    screen('me');
    expect(call.sharing.own).toBe('on');
  });

  it('gives way to another, and to one who was quicker', async () => {
    await share();
    screen('me');
    screen('ada');
    expect(call.sharing.presenting).toBe(false);
    expect(own.shared).toBe(0);
    expect(call.notice).toEqual({ kind: 'screen-taken', name: 'ADA' });
    expect(call.sharer?.id).toBe('ada');
    screen('');
    await share();
    screen('ada');
    expect(own.shared).toBe(0);
    expect(call.notice).toEqual({ kind: 'screen-taken', name: 'ADA' });
  });

  it('is asked for again after a reconnection, and given up where the host can do it no more', async () => {
    await share();
    screen('me');
    said();
    roster();
    expect(said()).toEqual([{ on: true, sound: true }]);
    screen('');
    screen('me');
    expect(call.sharing.own).toBe('on');
    roster([]);
    expect(own.shared).toBe(0);
  });

  it('is told to be over if the host takes it for shared', () => {
    screen('me');
    expect(said()).toEqual([{ on: false }]);
  });

  it('is let go of when the call ends, also while the person chooses', async () => {
    own.slow = true;
    await share();
    expect(call.sharing.own).toBe('choosing');
    call.close();
    own.chosen?.();
    await settled();
    expect(own.shared).toBe(0);
    expect(said()).toEqual([]);
  });

  it('is let go of when the host refuses', async () => {
    await share();
    call.receive({ type: 'fault', payload: { code: 'too-fast', message: 'Wait.' } });
    expect(own.shared).toBe(0);
    expect(call.sharing.own).toBe('off');
  });
});

describe('the screen of another', () => {
  it('comes and goes with a word', () => {
    screen('ada');
    expect(call.sharer?.id).toBe('ada');
    roster();
    expect(call.sharer?.id).toBe('ada');
    screen('');
    expect(call.sharer).toBeUndefined();
    expect(call.notice).toEqual({ kind: 'screen-over', name: 'ADA' });
  });

  it('closes the question when it ends by itself', async () => {
    screen('ada');
    await share();
    screen('');
    expect(call.sharing.asking).toBe(false);
  });
});
