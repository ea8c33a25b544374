import { describe, expect, it } from 'vitest';
import { FakeSocket } from '../test/fakeHost';
import type { HostMessage } from './generated/signalling';
import { type DeviceState, LoopbackTransport, type VideoFrame } from './loopback';
import type { TransportState } from './transport';

function enter() {
  let socket!: FakeSocket;
  const states: TransportState[] = [];
  const messages: HostMessage[] = [];
  const frames: VideoFrame[] = [];
  const transport = new LoopbackTransport({
    url: 'ws://127.0.0.1:1234/window',
    token: 'T',
    openSocket: (url, protocol) => {
      socket = new FakeSocket(url, protocol);
      return socket as unknown as WebSocket;
    },
  });
  transport.onstate = (state) => states.push(state);
  transport.onmessage = (message) => messages.push(message);
  transport.onframe = (frame) => frames.push(frame);
  transport.connect();
  const message = (type: string, payload: unknown) =>
    socket.deliver(JSON.stringify({ type, payload }));
  return { transport, socket, states, messages, frames, message };
}

function frame(index: number, { version = 1, flags = 0, timestamp = 0n, size = 3 } = {}) {
  const bytes = new Uint8Array(12 + size);
  const header = new DataView(bytes.buffer);
  header.setUint8(0, version);
  header.setUint8(1, flags);
  header.setUint16(2, index);
  header.setBigUint64(4, timestamp);
  bytes.fill(7, 12);
  return bytes;
}

describe('the window’s socket', () => {
  it('enters with the token in the first message, not in the address', () => {
    const { transport, socket, states } = enter();
    expect(socket.url).toBe('ws://127.0.0.1:1234/window');
    expect(socket.protocol).toBe('porch.window.v1');
    expect(transport.send({ type: 'leave', payload: {} })).toBe(false);
    socket.accept();
    expect(socket.sent).toEqual(['{"type":"enter","payload":{"token":"T"}}']);
    expect(states).toEqual([{ phase: 'open' }]);
    expect(transport.send({ type: 'say', payload: { text: 'Hi' } })).toBe(true);
    expect(socket.sent[1]).toBe('{"type":"say","payload":{"text":"Hi"}}');
  });

  it('carries how the devices are', () => {
    const { transport, socket, states, message } = enter();
    const devices: DeviceState[] = [];
    transport.ondevices = (state) => devices.push(state);
    socket.accept();
    message('devices', { level: 25, faults: ['camera-lost'] });
    expect(devices).toEqual([{ level: 0.25, faults: ['camera-lost'] }]);
    message('devices', { level: 'loud', faults: [] });
    expect(states.at(-1)).toEqual({ phase: 'refused', code: 'message-invalid' });
  });

  it('carries messages and pictures, and says how many pictures were taken', () => {
    const { transport, socket, messages, frames, message } = enter();
    socket.accept();
    message('left', { id: 'p1' });
    message('source', { index: 0, participant: 'host' });
    message('source', { index: 515, participant: 'p2' });
    socket.deliver(frame(515, { flags: 0xff, timestamp: 5_000_000_000n, size: 5 }));
    socket.deliver(frame(0));
    expect(messages).toEqual([{ type: 'left', payload: { id: 'p1' } }]);
    expect(frames.map(({ taken, ...rest }) => rest)).toEqual([
      {
        participant: 'p2',
        keyframe: true,
        timestamp: 5_000_000_000,
        data: new Uint8Array(5).fill(7),
      },
      { participant: 'host', keyframe: false, timestamp: 0, data: new Uint8Array(3).fill(7) },
    ]);
    frames[0]!.taken();
    frames[0]!.taken(); // twice is once
    expect(socket.sent).toHaveLength(1);
    socket.deliver(frame(515));
    frames[2]!.taken();
    expect(socket.sent[1]).toBe('{"type":"taken","payload":{"index":515,"frames":2}}');
    transport.onframe = null; // nobody looks: taken at once
    socket.deliver(frame(0));
    frames[1]!.taken();
    expect(socket.sent[2]).toBe('{"type":"taken","payload":{"index":0,"frames":2}}');
    transport.requestKeyframe('p2');
    expect(socket.sent[3]).toBe('{"type":"keyframeWanted","payload":{"participant":"p2"}}');
  });

  for (const [name, data, code] of [
    ['a frame of no source', frame(9), 'frame-out-of-order'],
    ['a frame of another version', frame(0, { version: 3 }), 'version-unsupported'],
    ['a frame without a picture', frame(0, { size: 0 }), 'frame-truncated'],
    ['an empty frame', new Uint8Array(), 'frame-truncated'],
    ['text that is no message', 'x', 'message-malformed'],
    ['a source without an index', '{"type":"source","payload":{}}', 'message-invalid'],
  ] as const) {
    it(`closes on ${name}`, () => {
      const { transport, socket } = enter();
      socket.accept();
      socket.deliver(data as string);
      expect(transport.state).toEqual({ phase: 'refused', code });
      expect(socket.readyState).toBe(socket.CLOSED);
    });
  }

  for (const [name, code, reason, state] of [
    ['an ordinary end', 1000, '', { phase: 'closed' }],
    ['a refused token', 4403, 'token-refused', { phase: 'refused', code: 'token-refused' }],
    ['a newer window', 4400, 'seat-taken', { phase: 'refused', code: 'seat-taken' }],
    ['a broken socket', 1006, '', { phase: 'refused', code: 'connect-failed' }],
  ] as const) {
    it(`knows ${name}`, () => {
      const { socket, states } = enter();
      socket.accept();
      socket.lose(code, reason);
      expect(states[1]).toEqual(state);
    });
  }

  it('is silent after close', () => {
    const { transport, socket, states, messages, message } = enter();
    socket.accept();
    transport.close();
    message('left', { id: 'p1' });
    socket.lose(1006);
    expect(messages).toEqual([]);
    expect(states).toEqual([{ phase: 'open' }, { phase: 'closed' }]);
    expect(transport.send({ type: 'leave', payload: {} })).toBe(false);
  });
});
