// Made-up people for the gallery: drawn, still, in a room of their own each.
import type { MediaEngine, Picture } from '../../src/call/engine';

interface Look {
  wall: [string, string];
  skin: string;
  hair: string;
  shirt: string;
  long?: boolean;
}

const looks: Look[] = [
  { wall: ['#7d8fa3', '#465566'], skin: '#e3b18f', hair: '#4b2e20', shirt: '#c9784a' },
  { wall: ['#b89b7a', '#6d5640'], skin: '#f0c9a8', hair: '#d9d4cc', shirt: '#6f7fa8', long: true },
  { wall: ['#88a08a', '#4c6350'], skin: '#8d5a3c', hair: '#1d1613', shirt: '#e2c15c' },
  { wall: ['#a78a9c', '#5d4656'], skin: '#d99d76', hair: '#20160f', shirt: '#3f7d7a', long: true },
  { wall: ['#c2a27f', '#7a5c3f'], skin: '#efc4a0', hair: '#a8602f', shirt: '#54617c', long: true },
];

function draw(look: Look): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = 1280;
  canvas.height = 720;
  const c = canvas.getContext('2d')!;
  const room = c.createLinearGradient(0, 0, 1280, 720);
  room.addColorStop(0, look.wall[0]);
  room.addColorStop(1, look.wall[1]);
  c.fillStyle = room;
  c.fillRect(0, 0, 1280, 720);
  c.filter = 'blur(14px)';
  c.fillStyle = 'rgb(255 244 220 / 0.5)';
  c.fillRect(880, 60, 240, 300);
  c.fillStyle = 'rgb(0 0 0 / 0.16)';
  c.fillRect(90, 200, 250, 26);
  c.fillRect(120, 110, 34, 90);
  c.fillRect(166, 90, 26, 110);
  c.fillRect(206, 126, 44, 74);
  c.filter = 'none';
  const ellipse = (x: number, y: number, w: number, h: number, fill: string) => {
    c.fillStyle = fill;
    c.beginPath();
    c.ellipse(x, y, w, h, 0, 0, 2 * Math.PI);
    c.fill();
  };
  if (look.long) {
    ellipse(640, 360, 178, 230, look.hair);
    c.fillRect(470, 360, 340, 190);
  }
  ellipse(640, 760, 340, 220, look.shirt);
  c.fillStyle = look.skin;
  c.fillRect(590, 470, 100, 110);
  ellipse(640, 572, 86, 42, look.skin);
  ellipse(640, 350, 130, 166, look.skin);
  c.fillStyle = look.hair;
  c.beginPath();
  c.ellipse(640, 262, 142, 108, 0, Math.PI, 2 * Math.PI);
  c.quadraticCurveTo(790, 330, 762, 380);
  c.quadraticCurveTo(742, 270, 640, 262);
  c.quadraticCurveTo(538, 270, 518, 380);
  c.quadraticCurveTo(490, 330, 498, 262);
  c.fill();
  ellipse(590, 356, 11, 13, '#2a1d16');
  ellipse(690, 356, 11, 13, '#2a1d16');
  c.strokeStyle = 'rgb(60 30 20 / 0.75)';
  c.lineWidth = 7;
  c.lineCap = 'round';
  c.beginPath();
  c.arc(640, 410, 46, 0.2 * Math.PI, 0.8 * Math.PI);
  c.stroke();
  const light = c.createRadialGradient(960, 140, 60, 700, 300, 800);
  light.addColorStop(0, 'rgb(255 240 210 / 0.28)');
  light.addColorStop(1, 'rgb(20 10 0 / 0.28)');
  c.fillStyle = light;
  c.fillRect(0, 0, 1280, 720);
  return canvas;
}

/** An engine that shows drawn people; ids without a picture have their camera off. */
export function drawnEngine(pictures: string[]): MediaEngine {
  return {
    muted: false,
    cameraOff: false,
    level: 0.3,
    faults: [],
    path: 'open',
    soundBlocked: false,
    devices: { cameras: [], microphones: [], speakers: [] },
    choice: { camera: '', microphone: '', speaker: '' },
    setMuted: async () => {},
    setCameraOff: async () => {},
    choose: async () => {},
    retry: async () => {},
    allowSound: () => {},
    receive: () => {},
    pictureOf: (id): Picture | undefined => (pictures.includes(id) ? { ratio: 16 / 9 } : undefined),
    attach: (id, container) => {
      const at = pictures.indexOf(id);
      if (at < 0) return () => {};
      const canvas = draw(looks[at % looks.length]!);
      container.append(canvas);
      return () => canvas.remove();
    },
    close: () => {},
  };
}
