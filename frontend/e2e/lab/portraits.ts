// Drawn people for the fake cameras, so that screenshots show a call and not
// test patterns. Each nods and blinks a little: the picture moves.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import type { Lab } from './lab.js';

interface Person {
  room: [string, string];
  skin: string;
  shade: string;
  hair: string;
  shirt: string;
  /** Drawn behind the head. */
  back: string;
  /** Drawn over the face. */
  front: string;
}

const people = {
  host: {
    room: ['#3b5b66', '#20343c'],
    skin: '#c98d63',
    shade: '#a96f48',
    hair: '#2a1c14',
    shirt: '#e0a63a',
    back: '',
    front:
      '<path d="M248 150 q-6 -92 72 -94 q80 0 74 96 q-8 -46 -34 -56 q-44 18 -82 2 q-22 12 -30 52z" fill="#2a1c14"/>',
  },
  grandma: {
    room: ['#e9d2b4', '#b98f68'],
    skin: '#f0c7a4',
    shade: '#d9a480',
    hair: '#d9d6d2',
    shirt: '#7b5aa6',
    back: '<circle cx="320" cy="52" r="30" fill="#d9d6d2"/>',
    front:
      '<path d="M244 158 q-10 -100 76 -102 q88 0 76 102 q-6 -52 -40 -66 q-40 14 -76 0 q-30 16 -36 66z" fill="#d9d6d2"/><g fill="none" stroke="#5d4a3c" stroke-width="4"><circle cx="292" cy="168" r="20"/><circle cx="348" cy="168" r="20"/><path d="M312 166 q8 -5 16 0"/></g>',
  },
  bearded: {
    room: ['#5a6b4f', '#34422d'],
    skin: '#e8b48d',
    shade: '#cd926a',
    hair: '#7a3f1d',
    shirt: '#2f6f8f',
    back: '',
    front:
      '<path d="M250 146 q0 -86 70 -86 q72 0 70 86 q-10 -40 -28 -46 q-40 -6 -84 0 q-20 8 -28 46z" fill="#7a3f1d"/><path d="M252 186 q6 78 68 80 q62 -2 68 -80 q-14 22 -34 20 q-34 -12 -68 0 q-20 2 -34 -20z" fill="#7a3f1d"/>',
  },
} satisfies Record<string, Person>;

export type Portrait = keyof typeof people;

/** One frame of a portrait, 640×360; t runs from 0 to 1 and around. */
function drawing(person: Person, t: number): string {
  const turn = Math.sin(t * 2 * Math.PI);
  const [x, y] = [turn * 7, Math.abs(turn) * 4];
  const eyes = t > 0.46 && t < 0.52 ? 1 : 7;
  const smile = 12 + turn * 4;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 360" width="640" height="360">
    <defs><radialGradient id="room" cx="0.3" cy="0.25" r="0.9">
      <stop offset="0" stop-color="${person.room[0]}"/><stop offset="1" stop-color="${person.room[1]}"/>
    </radialGradient></defs>
    <rect width="640" height="360" fill="url(#room)"/>
    <rect x="60" y="46" width="118" height="140" rx="6" fill="#fff" opacity="0.16"/>
    <path d="M119 46v140M60 116h118" stroke="#fff" stroke-width="5" opacity="0.16"/>
    <rect x="478" y="70" width="104" height="10" rx="3" fill="#000" opacity="0.22"/>
    <path d="M492 70v-34h14v34M510 70v-42h12v42M526 70v-30h16v30" fill="#000" opacity="0.16"/>
    <path d="M170 360 q6 -92 96 -104 q54 22 108 0 q90 12 96 104z" fill="${person.shirt}"/>
    <g transform="translate(${x} ${y})">
      ${person.back}
      <path d="M292 214 h56 v44 q-28 22 -56 0z" fill="${person.shade}"/>
      <ellipse cx="320" cy="168" rx="70" ry="84" fill="${person.skin}"/>
      <circle cx="250" cy="176" r="13" fill="${person.skin}"/><circle cx="390" cy="176" r="13" fill="${person.skin}"/>
      ${person.front}
      <ellipse cx="292" cy="168" rx="6" ry="${eyes}" fill="#2b211b"/><ellipse cx="348" cy="168" rx="6" ry="${eyes}" fill="#2b211b"/>
      <path d="M280 144 q12 -8 24 0M336 144 q12 -8 24 0" stroke="${person.hair}" stroke-width="5" fill="none" stroke-linecap="round"/>
      <path d="M320 174 q-10 18 2 22" stroke="${person.shade}" stroke-width="4" fill="none" stroke-linecap="round"/>
      <path d="M294 212 q26 ${smile * 2} 52 0 q-26 ${smile * 0.6} -52 0z" fill="#8c2f2a"/>
    </g>
  </svg>`;
}

/** Draws a person's camera into a file that Chromium takes for one: JPEG pictures in a row. */
export async function cameraOf(lab: Lab, browser: Browser, who: Portrait): Promise<string> {
  const file = join(lab.dir, `${who}.mjpeg`);
  if (existsSync(file)) return file; // another browser may be reading it
  const page = await browser.newPage({ viewport: { width: 640, height: 360 } });
  const pictures: Buffer[] = [];
  for (let i = 0; i < 30; i++) {
    await page.setContent(
      `<body style="margin:0;overflow:hidden">${drawing(people[who], i / 30)}</body>`,
    );
    pictures.push(await page.screenshot({ type: 'jpeg', quality: 92 }));
  }
  await page.close();
  writeFileSync(file, Buffer.concat(pictures));
  return file;
}
