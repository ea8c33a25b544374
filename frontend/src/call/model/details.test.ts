import { describe, expect, it } from 'vitest';
import type { Figures, Flow, PersonFigures } from '$src/media/figures';
import { Looks, reportOf } from './details';

const flow = (part: Partial<Flow> = {}): Flow => ({
  bytes: 0,
  packets: 0,
  lost: 0,
  height: 0,
  frames: 0,
  ...part,
});
const person = (id: string, part: Partial<PersonFigures> = {}): PersonFigures => ({
  id,
  way: 'direct',
  roundTrip: 23_400,
  out: flow(),
  in: flow(),
  ...part,
});
const look = (at: number, part: Partial<Figures> = {}): Figures => ({
  at,
  sent: 0,
  received: 0,
  people: [],
  ...part,
});

describe('two looks', () => {
  it('say what has gone by between them', () => {
    const looks = new Looks();
    const first = looks.take(look(1000, { sent: 500, people: [person('ada')] }));
    expect(first.sent).toBe(500);
    expect(first.sentPace).toBeUndefined();
    expect(first.people.get('ada')!.in).toEqual({ height: undefined });
    const of = (frames: number, bytes: number) =>
      person('ada', { in: flow({ bytes, packets: bytes / 100, lost: 5, height: 360, frames }) });
    looks.take(look(2000, { people: [of(100, 10_000)], sent: 500 }));
    const reading = looks.take(look(6000, { people: [of(220, 60_000)], sent: 10_500 }));
    expect(reading.sentPace).toBe(120_000);
    expect(reading.people.get('ada')!.in).toEqual({
      rate: 96_000,
      loss: 5 / 600,
      height: 360,
      frames: undefined,
    });
    const later = looks.take(look(7000, { people: [of(250, 70_000)], sent: 10_500 }));
    expect(later.people.get('ada')!.in.frames).toBe(30);
    expect(later.people.get('ada')!.in.rate).toBe(96_000);
  });

  it('that don’t go together say nothing: another connection, another stream, another layer', () => {
    const looks = new Looks();
    looks.take(look(1000, { sent: 9000, people: [person('ada', { in: flow({ bytes: 9 }) })] }));
    expect(looks.take(look(2000, { sent: 10 })).sentPace).toBeUndefined();
    const old = person('ada', {
      in: flow({ bytes: 900, packets: 50, lost: 9, height: 180, frames: 3000 }),
    });
    const anew = person('ada', { in: flow({ bytes: 90, packets: 5, height: 360, frames: 30 }) });
    looks.take(look(3000, { sent: 11, people: [old] }));
    looks.take(look(4000, { sent: 12, people: [anew] }));
    const reading = new Looks();
    reading.take(look(3000, { people: [old] }));
    expect(reading.take(look(4000, { people: [anew] })).people.get('ada')!.in).toEqual({
      height: 360,
    });
    const layers = new Looks();
    layers.take(look(3000, { people: [anew] }));
    expect(layers.take(look(4000, { people: [old] })).people.get('ada')!.in.frames).toBeUndefined();
  });
});

describe('a report', () => {
  const hostile = [
    'Ada Lovelace',
    '<script>alert(1)</script>',
    '192.168.1.23',
    '2001:db8::1',
    'https://porch.example/j/AAAAAAAAAAAAAAAAAAAAAA#pX3vTq81LmN0oZs5RkYw2A',
    'EBESExQVFhcYGRobHB0eHw',
    'candidate:1 1 udp 1 198.51.100.1 50000 typ relay',
    'turn-user:secret',
    '\u202eevil',
  ];

  it('holds figures under our own words, whatever it is made from', () => {
    for (const text of hostile) {
      const bad = text as never;
      const flows = flow({ bytes: bad, packets: bad, lost: bad, height: bad, frames: bad });
      const people = [
        { ...person(text, { way: bad, roundTrip: bad, out: flows, in: flows }), name: text },
        { ...person('b'), [text]: text },
      ];
      const uplink = { rate: bad, height: bad, paused: bad, [text]: text };
      const whole = {
        ...look(1),
        uplink,
        sent: bad,
        received: bad,
        people,
        name: text,
        [text]: text,
      };
      const looks = new Looks();
      looks.take(whole as Figures);
      const reading = looks.take({ ...whole, at: 2 } as Figures);
      const report = reportOf(reading, [
        { id: text, who: 'guest' },
        { id: 'b', who: 'you' },
      ]);
      for (const secret of hostile) {
        expect(report).not.toContain(secret);
        expect(report).not.toContain(JSON.stringify(secret).slice(1, -1));
      }
      const words = [...report.matchAll(/"([^"]*)"/g)].map(([, word]) => word);
      const known =
        /^(porchCall|bytes(Sent|Received)(PerMinute)?|people|who|you|host|guest \d+|way|direct|roundTripMs|sent|received|bitsPerSecond|uplink|paused|lossPercent|lines|framesPerSecond)$/;
      expect(words.filter((word) => !known.test(word!))).toEqual([]);
    }
  });

  it('has every person’s figures', () => {
    const looks = new Looks();
    looks.take(look(0, { people: [person('x')] }));
    const reading = looks.take(
      look(1000, {
        sent: 1e6,
        people: [
          person('x', {
            out: flow({ bytes: 1000, packets: 100, lost: 1 }),
            in: flow({ height: 360, bytes: 2000 }),
          }),
        ],
      }),
    );
    const report = JSON.parse(reportOf(reading, [{ id: 'x', who: 'guest' }]));
    expect(report).toMatchObject({
      bytesSent: 1e6,
      people: [
        {
          who: 'guest 1',
          way: 'direct',
          roundTripMs: 23.4,
          sent: { bitsPerSecond: 8000, lossPercent: 1 },
          received: { bitsPerSecond: 16_000, lines: 360 },
        },
      ],
    });
  });
});
