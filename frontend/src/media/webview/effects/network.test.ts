// The real models, on the real WebAssembly, as far as Node has what browsers have.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { memory, ready, setBackend } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { find } from './faces';
import { Network } from './network';
import { half, read } from './tflite';

const { resolve } = createRequire(import.meta.url);
function model(file: string): ArrayBuffer {
  const { buffer, byteOffset, byteLength } = readFileSync(resolve(`@mediapipe/${file}`));
  return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
}
const wide = model('selfie_segmentation/selfie_segmentation_landscape.tflite');
const square = model('selfie_segmentation/selfie_segmentation.tflite');
const faces = model('face_detection/face_detection_short_range.tflite');

beforeAll(async () => {
  setWasmPaths(
    `${dirname(resolve('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm'))}/`,
  );
  expect(await setBackend('wasm')).toBe(true);
  await ready();
});

/** Head and shoulders in front of a plain wall, as numbers from low to 1. */
function person(width: number, height: number, low: number): Float32Array {
  const input = new Float32Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [u, v] = [((x + 0.5) / width - 0.5) * (width / height), (y + 0.5) / height];
      const head = (u / 0.15) ** 2 + ((v - 0.42) / 0.2) ** 2 < 1;
      const hair = (u / 0.17) ** 2 + ((v - 0.36) / 0.21) ** 2 < 1;
      const neck = Math.abs(u) < 0.07 && v > 0.5;
      const body = (u / 0.42) ** 2 + ((v - 1.02) / 0.36) ** 2 < 1;
      const eye = ((Math.abs(u) - 0.06) / 0.022) ** 2 + ((v - 0.41) / 0.015) ** 2 < 1;
      const mouth = (u / 0.05) ** 2 + ((v - 0.53) / 0.012) ** 2 < 1;
      const colour =
        head && eye
          ? [0.1, 0.08, 0.08]
          : head && mouth
            ? [0.6, 0.25, 0.25]
            : head && v > 0.32
              ? [0.85, 0.65, 0.52]
              : hair
                ? [0.2, 0.13, 0.1]
                : body
                  ? [0.25, 0.35, 0.6]
                  : neck
                    ? [0.75, 0.55, 0.43]
                    : [0.72, 0.76, 0.74];
      colour.forEach((value, i) => {
        input[(y * width + x) * 3 + i] = low + value * (1 - low);
      });
    }
  }
  return input;
}

describe.each([
  ['wide', wide, 256, 144],
  ['square', square, 256, 256],
])('the model for a person in a %s picture', (_name, file, width, height) => {
  it('sees a person in the middle and none in the corners', () => {
    const network = new Network(file);
    expect([network.width, network.height]).toEqual([width, height]);
    const [mask] = network.run(person(width, height, 0));
    expect(mask).toHaveLength(width * height);
    const at = (u: number, v: number) =>
      mask![Math.floor(v * height) * width + Math.floor(u * width)]!;
    for (const [u, v] of [
      [0.5, 0.45],
      [0.5, 0.8],
      [0.42, 0.95],
    ] as const)
      expect(at(u, v)).toBeGreaterThan(0.7);
    for (const [u, v] of [
      [0.05, 0.05],
      [0.95, 0.05],
      [0.05, 0.6],
      [0.95, 0.6],
    ] as const)
      expect(at(u, v)).toBeLessThan(0.2);
  });
});

describe('the model for faces', () => {
  it('finds the one that is there, and none on a wall', () => {
    const network = new Network(faces);
    expect([network.width, network.height]).toEqual([128, 128]);
    const [boxes, scores] = network.run(person(128, 128, -1));
    const [face, ...others] = find(boxes!, scores!);
    expect(others).toEqual([]);
    expect(Math.abs(face!.eyes[0].x - 56)).toBeLessThan(8);
    expect(Math.abs(face!.eyes[1].x - 72)).toBeLessThan(8);
    expect(Math.abs(face!.eyes[0].y - 52)).toBeLessThan(8);
    const [none, nothing] = network.run(new Float32Array(128 * 128 * 3).fill(0.4));
    expect(find(none!, nothing!)).toEqual([]);
  });

  it('keeps nothing of what it has looked at', () => {
    const network = new Network(faces);
    const input = person(128, 128, -1);
    network.run(input);
    const { numTensors, numBytes } = memory();
    for (let i = 0; i < 3; i++) network.run(input);
    expect(memory()).toMatchObject({ numTensors, numBytes });
  });
});

describe('a file', () => {
  it('has numbers of 16 bits', () => {
    expect([0x3c00, 0xc000, 0x3555, 0x0001, 0x8000, 0x7c00].map(half)).toEqual([
      1,
      -2,
      0.333251953125,
      2 ** -24,
      -0,
      Number.POSITIVE_INFINITY,
    ]);
    expect(half(0x7e00)).toBeNaN();
  });

  it('that is no model is refused', () => {
    expect(() => read(new ArrayBuffer(64))).toThrow();
    expect(
      () =>
        new Network(new TextEncoder().encode('<!doctype html><p>not found').buffer as ArrayBuffer),
    ).toThrow();
  });
});
