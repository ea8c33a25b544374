// Made-up people, drawn: in front of the cameras of tests and in the gallery, so that pictures of a call show a call
// and not test patterns.

export interface Person {
  room: [string, string];
  skin: string;
  shade: string;
  hair: string;
  shirt: string;
  style: 'short' | 'bun' | 'beard' | 'long';
}

export const people = {
  host: {
    room: ['#3b5b66', '#20343c'],
    skin: '#c98d63',
    shade: '#a96f48',
    hair: '#2a1c14',
    shirt: '#e0a63a',
    style: 'short',
  },
  grandma: {
    room: ['#e9d2b4', '#b98f68'],
    skin: '#f0c7a4',
    shade: '#d9a480',
    hair: '#d9d6d2',
    shirt: '#7b5aa6',
    style: 'bun',
  },
  bearded: {
    room: ['#5a6b4f', '#34422d'],
    skin: '#e8b48d',
    shade: '#cd926a',
    hair: '#7a3f1d',
    shirt: '#2f6f8f',
    style: 'beard',
  },
  sister: {
    room: ['#a78a9c', '#5d4656'],
    skin: '#d99d76',
    shade: '#bd8058',
    hair: '#20160f',
    shirt: '#3f7d7a',
    style: 'long',
  },
  neighbour: {
    room: ['#7d8fa3', '#465566'],
    skin: '#8d5a3c',
    shade: '#71452c',
    hair: '#1d1613',
    shirt: '#c9784a',
    style: 'short',
  },
} satisfies Record<string, Person>;

/**
 * Draws a person into a canvas of any shape; the head moves a little as t runs from 0 to 1 and around. Needs nothing that
 * stands outside it: tests send its source into pages.
 */
export function draw(canvas: HTMLCanvasElement, person: Person, t = 0): void {
  const c = canvas.getContext('2d')!;
  const { skin, shade, hair, style } = person;
  const fill = (colour: string, d: string) => {
    c.fillStyle = colour;
    c.fill(new Path2D(d));
  };
  const stroke = (colour: string, width: number, d: string) => {
    c.strokeStyle = colour;
    c.lineWidth = width;
    c.stroke(new Path2D(d));
  };
  const oval = (x: number, y: number, rx: number, ry = rx) =>
    `M${x - rx} ${y}a${rx} ${ry} 0 1 0 ${rx * 2} 0a${rx} ${ry} 0 1 0 ${-rx * 2} 0z`;

  // All numbers below are for 640×360: another shape shows the middle of it.
  const scale = Math.max(canvas.width / 640, canvas.height / 360);
  const [left, top] = [canvas.width / 2 - 320 * scale, canvas.height / 2 - 180 * scale];
  c.setTransform(scale, 0, 0, scale, left, top);
  c.lineCap = 'round';
  const room = c.createRadialGradient(192, 90, 0, 192, 90, 576);
  room.addColorStop(0, person.room[0]);
  room.addColorStop(1, person.room[1]);
  c.fillStyle = room;
  c.fillRect(0, 0, 640, 360);
  fill('#ffffff29', 'M60 46h118v140h-118z');
  stroke('#ffffff29', 5, 'M119 46v140M60 116h118');
  fill('#00000038', 'M478 70h104v10h-104z');
  fill('#00000029', 'M492 70v-34h14v34M510 70v-42h12v42M526 70v-30h16v30');
  fill(person.shirt, 'M170 360q6 -92 96 -104q54 22 108 0q90 12 96 104z');

  const turn = Math.sin(t * 2 * Math.PI);
  c.translate(turn * 7, Math.abs(turn) * 4);
  if (style === 'bun') fill(hair, oval(320, 52, 30));
  if (style === 'long') fill(hair, 'M238 300q-16 -250 82 -250q98 0 82 250q-82 24 -164 0z');
  fill(shade, 'M292 214h56v44q-28 22 -56 0z');
  fill(skin, oval(320, 168, 70, 84) + oval(250, 176, 13) + oval(390, 176, 13));
  if (style === 'short') {
    fill(hair, 'M248 150q-6 -92 72 -94q80 0 74 96q-8 -46 -34 -56q-44 18 -82 2q-22 12 -30 52z');
  } else if (style === 'bun') {
    fill(hair, 'M244 158q-10 -100 76 -102q88 0 76 102q-6 -52 -40 -66q-40 14 -76 0q-30 16 -36 66z');
    stroke('#5d4a3c', 4, `${oval(292, 168, 20)}${oval(348, 168, 20)}M312 166q8 -5 16 0`);
  } else if (style === 'beard') {
    fill(hair, 'M250 146q0 -86 70 -86q72 0 70 86q-10 -40 -28 -46q-40 -6 -84 0q-20 8 -28 46z');
    fill(hair, 'M252 186q6 78 68 80q62 -2 68 -80q-14 22 -34 20q-34 -12 -68 0q-20 2 -34 -20z');
  } else {
    fill(hair, 'M244 190q-10 -132 76 -134q88 0 76 134q-8 -70 -62 -100q-20 40 -90 100z');
  }
  fill('#2b211b', oval(292, 168, 6, 7) + oval(348, 168, 6, 7));
  stroke(hair, 5, 'M280 144q12 -8 24 0M336 144q12 -8 24 0');
  stroke(shade, 4, 'M320 174q-10 18 2 22');
  const smile = 12 + turn * 4;
  fill('#8c2f2a', `M294 212q26 ${smile * 2} 52 0q-26 ${smile * 0.6} -52 0z`);
}

/** Of Chromium: a track of which a page writes every frame. This one writes none, and costs nothing. */
declare const MediaStreamTrackGenerator: new (init: { kind: 'audio' }) => MediaStreamTrack;

/** Runs in a page, with nothing of what stands outside it. */
function devices(paint: typeof draw, person: Person, speaks: boolean): void {
  const own = navigator.mediaDevices;
  if (!own) return;
  const open = own.getUserMedia.bind(own);
  Reflect.deleteProperty(window, 'AudioContext'); // meters, each drawn by a clock of its own
  own.getUserMedia = async ({ audio, video } = {}) => {
    const stream = audio && speaks ? await open({ audio }) : new MediaStream();
    if (audio && !speaks) stream.addTrack(new MediaStreamTrackGenerator({ kind: 'audio' }));
    if (video) {
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [640, 360];
      let shown = 0;
      const show = () => paint(canvas, person, shown++ / 3);
      show();
      const timer = setInterval(show, 500);
      const track = canvas.captureStream().getVideoTracks()[0]!;
      const stop = track.stop.bind(track);
      track.stop = () => {
        clearInterval(timer);
        stop();
      };
      stream.addTrack(track);
    }
    return stream;
  };
}

/**
 * A script that gives a page of Chromium a camera which shows a person. Two pictures a second: enough to see that they
 * move, and next to nothing to encode and to decode, which browsers do in software here. Who does not speak has a silent
 * microphone instead of the browser's own: sound costs more than such pictures, a hundred wake-ups a second each way.
 */
export const devicesOf = (person: Person, speaks: boolean): string =>
  `(${devices})(${draw}, ${JSON.stringify(person)}, ${speaks});`;
