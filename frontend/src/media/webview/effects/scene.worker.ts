// Draws a scene beside the page. Models and what runs them come when they are needed, and stay in the browser's cache.
import faces from '@mediapipe/face_detection/face_detection_short_range.tflite?url';
import square from '@mediapipe/selfie_segmentation/selfie_segmentation.tflite?url';
import wide from '@mediapipe/selfie_segmentation/selfie_segmentation_landscape.tflite?url';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import program from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import { env, ready, setBackend } from '@tensorflow/tfjs-core';
import { Network } from './network';
import { type ModelName, Scene } from './scene';
import type { SceneWord } from './words';

/** To the worker: what to draw, once; then pictures. */
export type Order =
  | { word: SceneWord }
  | { frame: ImageBitmap; width: number; height: number; look: boolean };

/** From it: a picture, which took so many milliseconds; there is no model yet if ready is false. */
export interface Picture {
  picture: ImageBitmap;
  took: number;
  ready: boolean;
}

/** Or that it can't draw. */
export type Answer = Picture | { failed: true };

const files: Record<ModelName, string> = { wide, square, faces };
const models = new Map<ModelName, Network | undefined>();
let engine: Promise<void> | undefined;
let scene: Scene | undefined;

const say = (answer: Answer, transfer: Transferable[] = []) =>
  self.postMessage(answer, { transfer });
const fail = () => say({ failed: true });

/** Starts TensorFlow.js on WebAssembly, with instructions that do four numbers at once, without which all is too slow. */
async function start(): Promise<void> {
  if (!(await env().getAsync('WASM_HAS_SIMD_SUPPORT'))) throw new Error('no SIMD');
  env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  setWasmPaths({
    'tfjs-backend-wasm.wasm': program,
    'tfjs-backend-wasm-simd.wasm': program,
    'tfjs-backend-wasm-threaded-simd.wasm': program,
  });
  if (!(await setBackend('wasm'))) throw new Error('no WebAssembly');
  await ready();
}

async function load(name: ModelName): Promise<void> {
  engine ??= start();
  const [answer] = await Promise.all([fetch(files[name]), engine]);
  if (!answer.ok) throw new Error('no model');
  models.set(name, new Network(await answer.arrayBuffer()));
}

function model(name: ModelName): Network | undefined {
  if (!models.has(name)) {
    models.set(name, undefined);
    load(name).catch(fail);
  }
  return models.get(name);
}

self.onmessage = ({ data }: MessageEvent<Order>) => {
  try {
    if ('word' in data) {
      scene = new Scene(data.word, model);
      return;
    }
    const began = performance.now();
    const ready = scene!.draw(data.frame, data.width, data.height, data.look);
    data.frame.close();
    const picture = scene!.picture();
    say({ picture, took: performance.now() - began, ready }, [picture]);
  } catch {
    fail();
  }
};
